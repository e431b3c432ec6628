import Backbones
import Torch

/// Empirical risk minimisation (Vapnik 1998): one cross-entropy over the minibatches of all source environments.
public final class ERM: Algorithm {
    /// The settings of ``ERM``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = []
    }

    /// How ``ERM`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "ERM", "Empirical risk minimisation (Vapnik 1998): cross-entropy over all source domains together.",
        paper: "https://www.wiley.com/en-fr/Statistical+Learning+Theory-p-9780471030034", Settings.self
    ) { try ERM(context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    /// Several processes can train it together.
    public let whyOneProcess: String? = nil

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
    }

    /// One step along the cross-entropy of all images together; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = classifier(minibatches.inputs)
        let loss = crossEntropy(logits, minibatches.labels)
        return [Metric("loss", try training.minimise(loss, logits: logits, step: step))]
    }
}
