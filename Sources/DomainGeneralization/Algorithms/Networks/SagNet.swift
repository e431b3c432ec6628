import Backbones
import Foundations
import Pixels
import Torch

/// Style-agnostic networks (SagNet; Nam and others, CVPR 2021) on feature vectors, as in DomainBed: an image's *style* is
/// the mean and deviation of its features, its *content* the normalised features. In turn: the classifier learns the class
/// from randomised styles, a second head learns it from randomised contents, and the backbone learns to leave that head at
/// a loss, `L_adv = λ · mean of −log softmax`. A random style lies between the own one and another image's.
public final class SagNet: RandomizedAlgorithm {
    /// The settings of ``SagNet``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// λ: weight of the adversarial loss.
        public var adversarialWeight = 0.1

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "adversarialWeight", \.adversarialWeight, "weight of the adversarial loss", .atLeast(0),
                search: .power(10, -2, 1), domainBed: "sag_w_adv")
        ]
    }

    /// How ``SagNet`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "SagNet", "Features from which the class cannot be told by style alone (Nam and others 2021).",
        paper: "https://arxiv.org/abs/1910.11645", Settings.self
    ) { try SagNet($0, context: $1) }

    /// What is random in one of a step's three passes.
    public struct Pass: Codable, Sendable {
        /// For each image another one.
        let partners: [Int]
        /// For each image the weight of its own style.
        let weights: [Double]
    }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The optimiser of the backbone; the two heads have their own.
    public let training: TrainingStep
    private let headTraining: TrainingStep
    private let styleTraining: TrainingStep
    private let styleStore: ParameterStore
    private let styleHead: Linear
    private let settings: Settings
    private let draws: StepDraws

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        self.settings = settings
        draws = StepDraws(context, "SagNet")
        let head = [classifier.head.weight, classifier.head.bias].compactMap { $0 }
        training = TrainingStep(groups: classifier.bodyGroups, settings: context.optimizer)
        headTraining = TrainingStep(head, settings: context.optimizer)
        styleStore = ParameterStore(
            seed: UInt64(seedHash(.int(context.seed), "style head")), device: context.device)
        styleHead = Linear(
            styleStore.root, in: classifier.featureCount, out: classifier.classCount)
        styleTraining = TrainingStep(styleStore.parameters, settings: context.optimizer)
    }

    /// The partners and weights of the step's three passes.
    public func draw(for minibatches: [Minibatch], step: Int) -> [Pass] {
        let count = minibatches.sizes.reduce(0, +)
        return (0..<3).map { pass in
            var generator = draws.generator(step: step, stream: pass)
            return Pass(partners: generator.permutation(count), weights: (0..<count).map { _ in generator.uniform() })
        }
    }

    /// Three steps with given partners: class by content, class by style, and the backbone against the latter; logs
    /// `loss`, `loss_s` and `loss_adv`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ draws: [Pass], step: Int) throws -> [Metric] {
        let (inputs, labels) = (minibatches.inputs, minibatches.labels)
        let randomised = withRandomStyle(classifier.features(inputs), draws[0])
        let content = try training.minimise(
            crossEntropy(classifier.logits(randomised), labels), with: [headTraining], step: step)

        let contents = noGrad { withRandomContent(classifier.features(inputs), draws[1]) }
        let style = try styleTraining.minimise(crossEntropy(styleHead(contents), labels), step: step)

        let scores = styleHead(withRandomContent(classifier.features(inputs), draws[2]))
        let adversarial = -settings.adversarialWeight * scores.logSoftmax(1).mean()
        let adversary = try training.minimise(adversarial, step: step)
        return [
            Metric("loss", content), Metric("loss_s", style), Metric("loss_adv", adversary),
        ]
    }

    private struct Parts {
        let mean, variance, content: Tensor

        init(_ features: Tensor) {
            mean = features.mean([1], keepDimensions: true)
            variance = features.variance([1], keepDimensions: true)
            content = (features - mean) / (variance + 1e-5).sqrt()
        }

        func compose(_ content: Tensor, mean: Tensor, variance: Tensor) -> Tensor {
            content * (variance + 1e-5).sqrt() + mean
        }
    }

    private func withRandomStyle(_ features: Tensor, _ draw: Pass) -> Tensor {
        let parts = Parts(features)
        let partners = Tensor(draw.partners, device: features.device)
        let weights = Tensor(draw.weights.map(Float.init), shape: [draw.weights.count, 1], device: features.device)
        func mixed(_ statistic: Tensor) -> Tensor {
            weights * statistic + (1 - weights) * statistic.indexSelect(0, partners)
        }
        return parts.compose(parts.content, mean: mixed(parts.mean), variance: mixed(parts.variance))
    }

    private func withRandomContent(_ features: Tensor, _ draw: Pass) -> Tensor {
        let parts = Parts(features)
        let content = parts.content.indexSelect(0, Tensor(draw.partners, device: features.device)).detached()
        return parts.compose(content, mean: parts.mean, variance: parts.variance)
    }

    /// The optimiser's state and those of both heads, with the style head's parameters.
    public var state: AlgorithmState {
        training.state.adding("head_optimizer", headTraining.optimizer.state)
            .adding("style", styleStore.state).adding("style_optimizer", styleTraining.optimizer.state)
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        try headTraining.optimizer.load(state.part("head_optimizer"), name: name)
        try styleStore.load(state.part("style"), name: name)
        try styleTraining.optimizer.load(state.part("style_optimizer"), name: name)
    }
}
