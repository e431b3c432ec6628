import Backbones
import DomainGeneralization
import Torch

/// Adds the variance of the source domains' losses to their mean (V-REx, Krueger and others 2021).
final class RiskVariance: Algorithm {
    struct Settings: Hyperparameters {
        var weight = 1.0

        static let fields: [Setting<Self>] = [
            Setting(
                "weight", \.weight, "factor of the variance of the source domains' losses", .atLeast(0),
                search: .power(10, -1, 5))
        ]
    }

    static let description = AlgorithmDescription(
        "RiskVariance", "The mean and the variance of the source domains' losses (V-REx, Krueger and others 2021).",
        paper: "https://arxiv.org/abs/2003.00688", Settings.self
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
        let risks = Tensor.stacked(minibatches.losses(classifier(minibatches.images)))
        let variance = risks.variance([0])
        let loss = try training.minimise(risks.mean() + settings.weight * variance, step: step)
        return [Metric("loss", loss), Metric("risk_variance", variance.item())]
    }
}
