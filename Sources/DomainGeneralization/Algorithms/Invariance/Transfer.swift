import Backbones
import Torch

/// Transferability among the source domains (Zhang and others, NeurIPS 2021, their algorithm 1): the features are to leave an
/// adversary, a linear layer h' near the classifier's h, no gap `G = λ·(max over e of CE_e(h') − min over e of CE_e(h'))`. A
/// step: Adam along the cross-entropy of h; Adam of the backbone along G; h' = h; then h' climbs G by gradient ascent, each
/// time projected to `‖h' − h‖ ≤ δ`.
///
/// All steps of the adversary see the same features; DomainBed computes them anew for each, with the same weights. Its random
/// search turns on `gda`, with which its optimiser holds the adversary's parameters alone and its network stays as it began:
/// there is no such setting here. Its `weight_decay_d` and `beta1` are used by nothing.
public final class Transfer: Algorithm {
    /// The settings of ``Transfer``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// λ: weight of the gap.
        public var gapWeight = 1.0
        /// δ: how far the adversary may be from the classifier's linear layer.
        public var radius = 2.0
        /// Steps of the adversary for one of the classifier.
        public var adversarySteps = 10
        /// The adversary's learning rate.
        public var adversaryLearningRate = 1e-3

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "gapWeight", \.gapWeight, "weight of the gap between the worst and the best domain", .atLeast(0),
                search: .power(10, -2, 1), domainBed: "t_lambda"),
            Setting(
                "radius", \.radius, "how far the adversary may be from the classifier's linear layer", .above(0),
                search: .uniform(0.1, 3), domainBed: "delta"),
            Setting(
                "adversarySteps", \.adversarySteps, "steps of the adversary for one of the classifier", .atLeast(0),
                search: .choice([1, 2, 5]), domainBed: "d_steps_per_g"),
            Setting(
                "adversaryLearningRate", \.adversaryLearningRate, "the adversary's learning rate", .above(0),
                search: .power(10, -4.5, -2.5), domainBed: "lr_d"),
        ]
    }

    /// How ``Transfer`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "Transfer", "No linear layer near the classifier's tells good from bad source domains (Zhang and others 2021).",
        paper: "https://arxiv.org/abs/2106.03632", Settings.self
    ) { try Transfer($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: Settings
    /// h'.
    private let head: Linear
    private let adversary: LearnedPart

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        let store = ParameterStore(seed: 0, device: context.device)
        head = Linear(store.root, in: classifier.featureCount, out: classifier.classCount)
        adversary = LearnedPart(
            store, optimizer: OptimizerSettings(learningRate: settings.adversaryLearningRate), rule: .sgd())
        follow()
    }

    /// One step of the classifier and one of its backbone against the adversary, then the adversary's; logs `loss` and `gap`,
    /// before the adversary's last step.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = classifier(minibatches.inputs)
        let loss = try training.minimise(crossEntropy(logits, minibatches.labels), logits: logits, step: step)
        var last = gap(minibatches.map { classifier.features($0.inputs) }, minibatches)
        try training.minimise(last, step: step)
        follow()
        let features = noGrad { minibatches.map { classifier.features($0.inputs) } }
        for _ in 0..<settings.adversarySteps {
            last = gap(features, minibatches)
            try adversary.training.minimise(-1 * last, step: step)
            project()
        }
        return [Metric("loss", loss), Metric("gap", last.item())]
    }

    /// λ times the difference of the adversary's largest and least loss.
    private func gap(_ features: [Tensor], _ minibatches: [Minibatch]) -> Tensor {
        let losses = Tensor.stacked(zip(features, minibatches).map { crossEntropy(head($0), $1.labels) })
        return settings.gapWeight * (losses.max() - losses.min())
    }

    /// The parameters of the adversary, each with the classifier's.
    private var pairs: [(adversary: Tensor, classifier: Tensor)] {
        let own = [classifier.head.weight, classifier.head.bias].compactMap { $0?.detached() }
        return Array(zip([head.weight, head.bias].compactMap { $0?.detached() }, own))
    }

    /// h' = h.
    private func follow() {
        noGrad { for pair in pairs { pair.adversary.copy_(pair.classifier) } }
    }

    /// Brings the adversary to the surface of the ball around the classifier's linear layer, where it is outside.
    private func project() {
        noGrad {
            let squares = pairs.map { ($0.adversary - $0.classifier).squared().sum() }.total
            let ratio = settings.radius / squares.item().squareRoot()
            guard ratio < 1 else { return }
            for pair in pairs {
                pair.adversary.copy_(pair.classifier + ratio * (pair.adversary - pair.classifier))
            }
        }
    }

    /// The optimiser's state and the adversary.
    public var state: AlgorithmState { training.state.adding("adversary", adversary) }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        try adversary.load("adversary", of: state, name: name)
    }
}
