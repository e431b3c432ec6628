import Foundations
import Torch

/// A backbone, dropout and a linear layer over one `ParameterStore`: images in, logits out.
///
///     let lite = try Backbones.named("tf_efficientnet_lite0")
///     let weights = try StateDict(contentsOf: "tf_efficientnet_lite0.safetensors")
///     let classifier = try Classifier(lite, classCount: 10, weights: weights, seed: 0)
///     classifier.isTraining = true
///     let loss = crossEntropy(classifier(images), labels)
///
/// Convolutions run channels-last, which saves about a fifth of a step on CPUs (Benchmarks/README.md). A copy of the value
/// is the same network.
public struct Classifier {
    /// What a fresh head begins with.
    public enum HeadInitialization: String, Sendable, Codable, CaseIterable {
        /// As `torch.nn.Linear`: even between ±1/√features.
        case uniform
        /// Zeros: every class is equally likely at first, and the first gradients say nothing to the layers below.
        case zero
    }

    /// How a classifier is built and trained, apart from its number of classes.
    public struct Options: Sendable, Equatable, Codable {
        /// Options of the backbone.
        public var backbone: BackboneOptions
        /// Probability that a feature is zeroed while training.
        public var dropout: Double
        /// Trains the linear layer alone; the backbone computes as in evaluation and keeps its weights and statistics.
        public var linearProbe: Bool
        /// Factor on the learning rate from each layer to the one below it, in 0…1; see
        /// ``Classifier/parameterGroups``. 1 is one rate for all.
        public var layerDecay: Double
        /// What a fresh head begins with.
        public var headInitialization: HeadInitialization
        /// Factor on the head's learning rate, above 0.
        public var headRate: Double
        /// The features of a frozen network that the head takes beside the backbone's; nil for none.
        public var frozenFeatures: FrozenFeatureOptions?

        /// Options; the defaults train all layers at one rate without dropout.
        public init(
            backbone: BackboneOptions = BackboneOptions(), dropout: Double = 0, linearProbe: Bool = false,
            layerDecay: Double = 1, headInitialization: HeadInitialization = .uniform, headRate: Double = 1,
            frozenFeatures: FrozenFeatureOptions? = nil
        ) {
            self.backbone = backbone
            self.dropout = dropout
            self.linearProbe = linearProbe
            self.layerDecay = layerDecay
            self.headInitialization = headInitialization
            self.headRate = headRate
            self.frozenFeatures = frozenFeatures
        }
    }

    /// The registry's entry that the backbone was built from.
    public let description: BackboneDescription
    /// How the classifier was built.
    public let options: Options
    /// Number of logits for each image.
    public let classCount: Int
    /// All parameters, under the keys of the backbone's public checkpoints; those that are trained record gradients.
    public let store: ParameterStore
    /// Draws dropout and stochastic depth; a checkpoint keeps its state.
    public let generator: Generator
    /// The network below the head.
    public let backbone: any Backbone
    /// The linear layer [featureCount] → [classes] over the features.
    public let head: Linear
    private let frozen: FrozenFeatureInput?
    /// Whether the head was initialised freshly, since the weights have none for this number of classes.
    public let headIsFresh: Bool
    /// A line for people on what of the weights' file was read and under which keys, where that is not all as it is.
    public let weightsNote: String?

    /// Builds the backbone and its head, on `device` in float32.
    /// - Parameters:
    ///   - weights: copied into the classifier; nil starts from random ones. A head for another number of classes is
    ///     left out; everything else must fit.
    ///   - name: what errors call the weights.
    ///   - seed: of fresh parameters and of ``generator``.
    /// - Throws: `UserError` that names all missing, wrong-shaped and unexpected keys at once.
    public init(
        _ description: BackboneDescription, classCount: Int, weights: StateDict? = nil, name: String = "weights",
        options: Options = Options(), seed: UInt64, device: Device = .cpu
    ) throws {
        self.description = description
        self.options = options
        self.classCount = classCount
        store = ParameterStore(seed: seed, device: device)
        generator = Generator(seed: seed, device: device)
        backbone = description.make(store.root, options.backbone, generator)
        let width = backbone.featureCount + Self.joinedWidth(options)
        head = Linear(store.root / description.headKey, in: width, out: classCount)
        frozen = options.frozenFeatures.map { [store] in
            FrozenFeatureInput(store.root / Self.frozenKey, $0, classCount: classCount)
        }
        store.useChannelsLast()
        store.recomputesLayers = options.backbone.gradientCheckpointing
        if let weights {
            try description.check(weights, file: name)
            let prefix = description.headKey + "."
            // Old checkpoints lack batch norm's counter.
            let keys = store.entries.map(\.name).filter {
                !$0.hasPrefix(prefix) && !$0.hasPrefix(Self.frozenKey) && !$0.hasSuffix(".num_batches_tracked")
            }
            let file = try PretrainedWeights(weights, of: description, keys: Set(keys), path: name)
            let state = file.state
            weightsNote = file.note.map { "\(name): \($0)" }
            let headFits = state[prefix + "weight"]?.shape == head.weight.shape
            // Old checkpoints lack batch norm's counter: it then counts from 0.
            try store.load(state, name: name) {
                $0.hasSuffix(".num_batches_tracked") && state[$0] == nil || !headFits && $0.hasPrefix(prefix)
                    || $0.hasPrefix(Self.frozenKey)
            }
            if let key = store.firstInfinite {
                throw UserError("\(name): \(key) holds infinite values or NaN; fetch the file again")
            }
            headIsFresh = !headFits
        } else {
            headIsFresh = true
            weightsNote = nil
        }
        if headIsFresh, options.headInitialization == .zero {
            noGrad { for tensor in [head.weight, head.bias].compactMap({ $0 }) { tensor.zero_() } }
        }
        store.setRequiresGrad(!options.linearProbe)
        if options.linearProbe {
            head.weight.requiresGrad = true
            head.bias?.requiresGrad = true
        }
    }

    private static let frozenKey = "frozen_features"

    /// Numbers of an image's features: the backbone's, and those of a frozen network where the head takes some.
    public var featureCount: Int { backbone.featureCount + Self.joinedWidth(options) }

    /// Numbers of the frozen features that the head takes.
    private static func joinedWidth(_ options: Options) -> Int {
        options.frozenFeatures.map { $0.fusion == .early ? $0.width : 0 } ?? 0
    }

    /// Takes the statistics by which frozen features are standardised; they are saved with the classifier.
    /// - Parameters:
    ///   - mean: [width], of the training images' features.
    ///   - deviation: [width], all above 0.
    public func standardiseFrozenFeatures(mean: Tensor, deviation: Tensor) {
        guard let frozen else { return }
        noGrad {
            frozen.mean.copy_(mean)
            frozen.deviation.copy_(deviation)
        }
    }

    /// Takes a linear classifier over standardised frozen features that late fusion asks; it is saved with the classifier.
    /// - Parameters:
    ///   - number: which of the options' experts it is.
    ///   - weight: [classes, width of the expert].
    ///   - bias: [classes].
    public func takeExpert(_ number: Int, weight: Tensor, bias: Tensor) {
        guard let experts = frozen?.experts, experts.indices.contains(number) else { return }
        noGrad {
            experts[number].weight.copy_(weight)
            experts[number].bias.copy_(bias)
        }
    }

    /// What the network says of images, with what late fusion's classifiers say of their frozen features: log p + Σ λ·log p_u up to a
    /// number an image. Logits as they are where there is none.
    /// - Parameter logits: [N, classes], of these inputs.
    public func fused(_ logits: Tensor, _ input: ClassifierInput) -> Tensor {
        guard let features = input.frozenFeatures, let opinion = frozen?.opinion(features) else { return logits }
        return logits + opinion
    }

    /// Whether dropout, stochastic depth and batch norm behave as in training. Off at first.
    public var isTraining: Bool {
        get { store.isTraining }
        nonmutating set { store.isTraining = newValue }
    }

    /// Features of images, after dropout in training, and behind them the frozen ones where the head takes some.
    /// - Parameters:
    ///   - input: normalised images with their frozen features; without any an image has the training images' mean.
    ///   - visit: see ``Backbone/features(_:visit:)``.
    /// - Returns: [N, ``featureCount``], after dropout: one draw for all that is made of them, as in DomainBed.
    public func features(
        _ input: ClassifierInput, visit: (_ level: Int, _ maps: Tensor) -> Tensor = { $1 }
    ) -> Tensor {
        let images = input.images.contiguous(.channelsLast)
        let features = belowHead(input) { backbone.features(images, visit: visit) }
        let own = isTraining ? features.dropout(options.dropout, generator: generator) : features
        guard let others = frozenFeatures(input) else { return own }
        return .concatenated([own, others], dimension: 1)
    }

    /// The frozen features as the head takes them, after their dropout in training.
    private func frozenFeatures(_ input: ClassifierInput) -> Tensor? {
        guard Self.joinedWidth(options) > 0 else { return nil }
        return frozen?(input.frozenFeatures, count: input.count, isTraining: isTraining, generator: generator)
    }

    /// Features of images alone: ``features(_:visit:)-(ClassifierInput,_)``.
    /// - Parameter images: [N, 3, H, W], normalised.
    public func features(_ images: Tensor, visit: (_ level: Int, _ maps: Tensor) -> Tensor = { $1 }) -> Tensor {
        features(ClassifierInput(images), visit: visit)
    }

    /// Logits at every place of the maps that are pooled, without dropout of the backbone's features; their mean over all places
    /// is an image's logits (class activation maps: Zhou and others 2016, https://arxiv.org/abs/1512.04150).
    /// - Returns: [N, classes, h, w]; nil for a backbone whose features are no mean of maps (transformers, ConvNeXt).
    public func logitMaps(_ input: ClassifierInput) -> Tensor? {
        guard let backbone = backbone as? any PooledBackbone else { return nil }
        let images = input.images.contiguous(.channelsLast)
        let maps = belowHead(input) { backbone.maps(images) { $1 } }
        let (own, width) = (backbone.featureCount, featureCount)
        let weight = head.weight.narrowed(1, start: 0, length: own)
        let logits = maps.conv2d(weight.reshaped(classCount, own, 1, 1), head.bias)
        guard let others = frozenFeatures(input) else { return logits }
        let rest = others.linear(head.weight.narrowed(1, start: own, length: width - own), nil)
        return logits + rest.reshaped(-1, classCount, 1, 1)
    }

    /// Runs the backbone: as in evaluation and without a gradient where the head alone is trained.
    private func belowHead(_ input: ClassifierInput, _ body: () -> Tensor) -> Tensor {
        store.batchNormGuests = BatchNormGuests(rows: input.guests, of: input.count, device: store.device)
        defer { store.batchNormGuests = nil }
        guard options.linearProbe else { return body() }
        let before = isTraining
        isTraining = false
        defer { isTraining = before }
        return noGrad(body)
    }

    /// The head alone: logits of features.
    /// - Parameter features: [N, ``featureCount``].
    /// - Returns: logits [N, classes].
    public func logits(_ features: Tensor) -> Tensor { head(features) }

    /// Logits of images with their frozen features: ``features(_:visit:)-(ClassifierInput,_)``, then ``logits(_:)``.
    /// - Returns: logits [N, classes].
    public func callAsFunction(_ input: ClassifierInput) -> Tensor { logits(features(input)) }

    /// Logits of images: ``features(_:visit:)-(Tensor,_)``, then ``logits(_:)``.
    /// - Parameter images: [N, 3, H, W], normalised.
    /// - Returns: logits [N, classes].
    public func callAsFunction(_ images: Tensor) -> Tensor { logits(features(images)) }

    /// Runs `body` as in evaluation and without gradients.
    public func evaluating<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = isTraining
        isTraining = false
        defer { isTraining = before }
        return try inferenceMode(body)
    }
}
