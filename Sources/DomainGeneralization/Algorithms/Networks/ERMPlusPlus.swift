import Backbones
import Torch

/// ERM++ (Teterwak and others, WACV 2025), without its learning rate that is tuned by a run of its own: cross-entropy over all
/// source environments, where the linear layer alone is trained at first, and what predicts is the running mean of the
/// network's parameters from a step on; its batch-norm statistics follow its own passes over the training images.
///
/// ``classifier`` is the averaged network; the one that is trained is part of the state.
public final class ERMPlusPlus: Algorithm {
    /// The settings of ``ERMPlusPlus``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// Steps in which the linear layer alone is trained; one more, as in DomainBed.
        public var linearSteps = 500
        /// The linear layer's learning rate in them; 0 takes the run's.
        public var linearLearningRate = 0.0
        /// The step from which on parameters are averaged, counted from 1.
        public var averagingStart = 600

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "linearSteps", \.linearSteps, "steps in which the linear layer alone is trained", .atLeast(0),
                begins: "training of the whole network"),
            Setting(
                "linearLearningRate", \.linearLearningRate,
                "the linear layer's learning rate in them; 0 takes the run's", .atLeast(0),
                search: .power(10, -5, -3.5), domainBed: "linear_lr", default: 5e-5),
            Setting(
                "averagingStart", \.averagingStart, "the step from which on parameters are averaged", .atLeast(1),
                begins: "the running mean of the parameters"),
        ]
    }

    /// How ``ERMPlusPlus`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "ERM++", "ERM with a warm start of the linear layer and averaged parameters (ERM++, Teterwak and others 2025).",
        paper: "https://arxiv.org/abs/2304.01973", domainBed: "ERMPlusPlus", Settings.self
    ) { try ERMPlusPlus($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let network: Classifier
    private let linearTraining: TrainingStep
    private let settings: Settings

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        classifier.store.setRequiresGrad(false)
        network = try context.makeClassifier()
        training = TrainingStep(network, settings: context.optimizer)
        var linear = context.optimizer
        if settings.linearLearningRate > 0 { linear.learningRate = settings.linearLearningRate }
        linearTraining = TrainingStep([network.head.weight, network.head.bias].compactMap { $0 }, settings: linear)
        self.settings = settings
    }

    /// One step of the trained network along the cross-entropy, at first of its linear layer alone; then the average
    /// follows. Logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let (inputs, labels) = (minibatches.inputs, minibatches.labels)
        network.isTraining = true
        network.generator.state = classifier.generator.state
        let value: Double
        if step > settings.linearSteps {
            let logits = network(inputs)
            value = try training.minimise(crossEntropy(logits, labels), logits: logits, step: step)
        } else {
            let features = noGrad { network.features(inputs) }
            value = try linearTraining.minimise(crossEntropy(network.logits(features), labels), step: step)
        }
        if !training.isHeld { average(step: step) }
        if !network.options.backbone.freezeBatchNorm { _ = noGrad { classifier(inputs) } }
        return [Metric("loss", value)]
    }

    /// Averages parameters and batch-norm statistics.
    private func average(step: Int) {
        let count = max(0, step + 2 - settings.averagingStart)
        noGrad {
            for (mean, entry) in zip(classifier.store.entries, network.store.entries)
            where mean.tensor.dtype != .int64 {
                let new = entry.tensor.detached()
                mean.tensor.copy_(
                    count == 0 ? new : (mean.tensor * Double(count) + new) / Double(1 + count))
            }
        }
    }

    /// The optimiser's state and the trained network, with the linear layer's own.
    public var state: AlgorithmState {
        training.state.adding("network", network.store.state)
            .adding("linear_optimizer", linearTraining.optimizer.state)
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        try network.store.load(state.part("network"), name: name)
        try linearTraining.optimizer.load(state.part("linear_optimizer"), name: name)
    }
}
