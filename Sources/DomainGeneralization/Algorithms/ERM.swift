import Backbones
import Torch

/// Empirical risk minimisation (Vapnik 1998): one cross-entropy over the minibatches of all source environments.
public final class ERM: Algorithm {
    public struct Settings: Hyperparameters {
        public init() {}
    }

    public static let description = AlgorithmDescription(
        "ERM", "Empirical risk minimisation (Vapnik 1998): cross-entropy over all source domains together.",
        Settings.self
    ) { try ERM(context: $1) }

    private let classifier: any Classifier
    private let training: TrainingStep

    public init(context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier.store.parameters, settings: context.optimizer)
    }

    public var store: ParameterStore { classifier.store }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let loss = crossEntropy(classifier(minibatches.images), minibatches.labels)
        return [Metric("loss", try training.minimise(loss, step: step))]
    }

    public func predict(_ images: Tensor) -> Tensor { classifier(images) }

    public var state: AlgorithmState { training.state }
    public func load(_ state: AlgorithmState, name: String) throws { try training.load(state, name: name) }
}
