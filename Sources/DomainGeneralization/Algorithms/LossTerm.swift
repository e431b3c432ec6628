import Backbones
import Torch

/// A term that is added to the loss of whatever algorithm trains: latent distillation, and what else a model can teach.
///
///     final class Entropy: LossTerm {
///         func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
///             let log = images.logits.logSoftmax(1)
///             return (0.1 * (log.exp() * log).sum([1]).mean(), [])
///         }
///     }
///
/// A term draws no random numbers but those that are a function of the seed and the step, as an algorithm does.
public protocol LossTerm: AnyObject {
    /// What the term learns beside the classifier, which a checkpoint keeps; nil, as by default, where it learns nothing.
    var learned: LearnedPart? { get }

    /// Why several processes cannot take it together, each for its share of a step's images; nil, as by default, where it is a mean
    /// over images.
    var whyOneProcess: String? { get }

    /// Called once before the first step with what is trained, for terms that look below its logits. By default it does nothing.
    /// - Throws: a one-line error for a network that the term cannot look into.
    func begin(with classifier: Classifier) throws

    /// The term of a step, a scalar with its weight in it, and what is logged of it.
    /// - Throws: `Interruption`, but only before anything has changed; a one-line error.
    func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric])
}

extension LossTerm {
    /// Nothing is learned beside the classifier.
    public var learned: LearnedPart? { nil }

    /// It is a mean over images.
    public var whyOneProcess: String? { nil }

    /// Does nothing: the term looks at logits alone.
    public func begin(with classifier: Classifier) throws {}
}

/// Parameters that a term learns beside the classifier's, along the gradient of the same loss, or an algorithm by losses of
/// their own.
public struct LearnedPart {
    /// The parameters, which a checkpoint keeps.
    public let store: ParameterStore
    /// What steps them.
    public let training: TrainingStep

    /// Parameters that step by an optimiser of these settings and this rule.
    public init(_ store: ParameterStore, optimizer: OptimizerSettings, rule: OptimizerRule = .adam()) {
        self.store = store
        training = TrainingStep(store.parameters, settings: optimizer, rule: rule)
    }

    /// Takes up what `AlgorithmState.adding` has kept of it under a name.
    /// - Parameter file: what errors call the state, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    func load(_ part: String, of state: AlgorithmState, name file: String) throws {
        try store.load(state.part(part), name: file)
        try training.optimizer.load(state.part("\(part)_optimizer"), name: file)
    }
}

extension AlgorithmState {
    /// This state with learned parameters as `part.NAME`, and their optimiser's state as `part_optimizer.NAME`.
    func adding(_ part: String, _ learned: LearnedPart) -> AlgorithmState {
        adding(part, learned.store.state).adding("\(part)_optimizer", learned.training.optimizer.state)
    }
}

/// The source images of a step, as they were drawn, with what the classifier says of them.
public struct ClassifiedImages {
    /// Augmented and normalised images, [N, 3, H, W].
    public let images: Tensor
    /// Class indices, int64 [N].
    public let labels: Tensor
    /// Where the images come from: N indices into ``ImageFolder/items``.
    public let items: [Int]
    /// What the classifier says of them: [N, classes], part of its graph.
    public let logits: Tensor
    /// Their frozen features [N, width], where the classifier takes some.
    public let frozenFeatures: Tensor?
    /// The images that were added to the step; nil where there are none.
    public let added: AddedImages?

    /// N images with their labels, items and logits.
    public init(
        images: Tensor, labels: Tensor, items: [Int], logits: Tensor, frozenFeatures: Tensor? = nil,
        added: AddedImages? = nil
    ) {
        self.images = images
        self.labels = labels
        self.items = items
        self.logits = logits
        self.frozenFeatures = frozenFeatures
        self.added = added
    }

    /// The images with their frozen features, as the classifier takes them.
    public var inputs: ClassifierInput { ClassifierInput(images, frozenFeatures: frozenFeatures) }

    /// The probability of the true label [N], part of the classifier's graph.
    public var confidence: Tensor { logits.softmax(1).gathered(1, labels.unsqueezed(1)).squeezed(1) }
}

/// The images that a ``MinibatchSource`` added to a step.
public struct AddedImages {
    /// Augmented and normalised images, [M, 3, H, W], with frozen features where the classifier takes some.
    public let inputs: ClassifierInput
    /// The source images that they were made of: M indices into ``ImageFolder/items``.
    public let items: [Int]
    /// The algorithm's logits of any images, as it is in this step.
    public let predict: (ClassifierInput) -> Tensor
    private let own: Tensor?

    /// M images with what they were made of.
    /// - Parameter logits: what the classifier says of them [M, classes], part of its graph; nil asks `predict` when they are
    ///   needed.
    public init(
        inputs: ClassifierInput, items: [Int], logits: Tensor?, predict: @escaping (ClassifierInput) -> Tensor
    ) {
        self.inputs = inputs
        self.items = items
        self.predict = predict
        own = logits
    }

    /// What the classifier says of them: [M, classes], part of its graph.
    public func logits() -> Tensor { own ?? predict(inputs) }
}
