import Backbones
import Foundations
import Torch

/// Marginal transfer learning (Blanchard and others, JMLR 2021), as a network: the linear layer sees an image's features and
/// the mean features of its environment, `h(φ(x), μ_e)`; `L = Σ_e CE_e`. In training μ_e is a moving average,
/// `μ_e ← ε·mean φ + (1 − ε)·μ_e`; for prediction the mean over the images that are predicted together.
///
/// DomainBed overwrites the mean with noise before it is used (`.normal_()`); ours is the mean.
public final class MTL: Algorithm {
    /// The settings of ``MTL``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// ε: weight of the step's own mean features in the moving average, 0…1.
        public var rate = 0.99

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "rate", \.rate, "weight of the step's own mean features in the moving average", .within(0...1),
                search: .choice([0.5, 0.9, 0.99, 1]), domainBed: "mtl_ema")
        ]
    }

    /// How ``MTL`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "MTL", "The classifier sees the mean features of an image's domain, too (Blanchard and others 2021).",
        paper: "https://arxiv.org/abs/1711.07910", Settings.self,
        predictor: { _, classifier, _ in predictor(classifier) }
    ) { try MTL($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: Settings
    private let predictor: (ClassifierInput) -> Tensor
    /// The mean features of each environment, [environments, F].
    private var means: Tensor

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        predictor = Self.predictor(classifier)
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        means = .zeros([context.trainingEnvironments.count, classifier.featureCount], device: context.device)
    }

    /// Widens the classifier's head, which then takes features and mean features.
    private static func predictor(_ classifier: Classifier) -> (ClassifierInput) -> Tensor {
        let width = 2 * classifier.featureCount
        let bound = 1 / Double(width).squareRoot()
        let weight = Tensor.empty([classifier.classCount, width], device: classifier.generator.device)
        weight.uniform_(from: -bound, to: bound, generator: classifier.generator)
        classifier.store.replace(classifier.description.headKey + ".weight", with: weight)
        return { input in
            let features = classifier.features(input)
            return logits(classifier, features, features.mean([0], keepDimensions: true))
        }
    }

    private static func logits(_ classifier: Classifier, _ features: Tensor, _ mean: Tensor) -> Tensor {
        classifier.logits(.concatenated([features, mean.expanded([features.size(0), -1])], dimension: 1))
    }

    /// One step along the sum of the environments' cross-entropies; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        var new: [Tensor] = []
        let logits = minibatches.enumerated().map { environment, minibatch in
            let features = classifier.features(minibatch.inputs)
            let old = means[environment..<(environment + 1)]
            let mean = settings.rate * features.mean([0], keepDimensions: true) + (1 - settings.rate) * old
            new.append(mean.detached())
            return Self.logits(classifier, features, mean)
        }
        let losses = zip(logits, minibatches).map { crossEntropy($0, $1.labels) }
        let value = try training.minimise(losses.total, logits: .concatenated(logits), step: step)
        means = .concatenated(new)
        return [Metric("loss", value)]
    }

    /// Logits [N, classes] of normalised images [N, 3, H, W], with the mean features of these images as their domain's.
    public func predict(_ input: ClassifierInput) -> Tensor { predictor(input) }

    /// The optimiser's state and the environments' mean features.
    public var state: AlgorithmState {
        var state = training.state
        state.tensors["means"] = means
        return state
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        guard let saved = state.tensors["means"], saved.shape == means.shape else {
            throw UserError("\(name) has no mean features of shape \(means.shape)")
        }
        means = saved.to(device: means.device).cloned()
    }
}
