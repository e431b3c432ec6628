import Backbones
import Torch

/// Empirical risk minimisation (Vapnik 1998): one cross-entropy over the minibatches of all source environments.
public final class ERM: Algorithm {
    public struct Settings: Hyperparameters {
        public init() {}

        public static let fields: [Setting<Self>] = []
    }

    public static let description = AlgorithmDescription(
        "ERM", "Empirical risk minimisation (Vapnik 1998): cross-entropy over all source domains together.",
        paper: "https://www.wiley.com/en-fr/Statistical+Learning+Theory-p-9780471030034", Settings.self
    ) { try ERM(context: $1) }

    public let classifier: Classifier
    public let training: TrainingStep

    public init(context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = classifier(minibatches.images)
        let loss = crossEntropy(logits, minibatches.labels)
        return [Metric("loss", try training.minimise(loss, logits: logits, step: step))]
    }
}
