import Backbones
import DomainGeneralization
import Foundations
import Torch

/// Adds the variance of the source domains' losses to their mean (V-REx, Krueger and others 2021).
final class RiskVariance: Algorithm {
    struct Settings: Hyperparameters {
        /// The factor of the variance.
        var weight = 1.0

        static let help = ["weight": "factor of the variance of the source domains' losses; at least 0"]

        func validate() throws {
            guard weight >= 0 else { throw UserError("algorithm.hyperparameters.weight: \(weight) is below 0") }
        }
    }

    static let description = AlgorithmDescription(
        "RiskVariance", "The mean and the variance of the source domains' losses (V-REx, Krueger and others 2021).",
        Settings.self
    ) { try RiskVariance($0, context: $1) }

    let classifier: Classifier
    let training: TrainingStep
    private let settings: Settings

    init(_ settings: Settings, context: AlgorithmContext) throws {
        self.settings = settings
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
    }

    func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        // One pass for all domains, so that batch norm sees them together.
        let losses = crossEntropy(classifier(minibatches.images), minibatches.labels, reduction: .none)
        var end = 0
        let risks = Tensor.stacked(
            minibatches.map { minibatch in
                defer { end += minibatch.count }
                return losses[end..<end + minibatch.count].mean()
            })
        let variance = risks.variance([0])
        let loss = try training.minimise(risks.mean() + settings.weight * variance, step: step)
        return [Metric("loss", loss), Metric("risk_variance", variance.item())]
    }
}
