import Backbones
import Torch

/// Spectral decoupling (Pezeshki and others, NeurIPS 2021): `L = CE + λ · mean of the squared logits`, against gradient
/// starvation.
public final class SD: Algorithm {
    public struct Settings: Hyperparameters {
        /// λ.
        public var penaltyWeight = 0.1

        public init() {}

        public static let fields: [Setting<Self>] = [
            Setting(
                "penaltyWeight", \.penaltyWeight, "weight of the mean squared logit", .atLeast(0),
                search: .power(10, -5, -1), domainBed: "sd_reg")
        ]
    }

    public static let description = AlgorithmDescription(
        "SD", "Spectral decoupling: large logits are a penalty (Pezeshki and others 2021).",
        paper: "https://arxiv.org/abs/2011.09468", Settings.self
    ) { try SD($0, context: $1) }

    public let classifier: Classifier
    public let training: TrainingStep
    private let settings: Settings

    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = classifier(minibatches.images)
        let loss = crossEntropy(logits, minibatches.labels)
        let penalty = logits.squared().mean()
        try training.minimise(loss + settings.penaltyWeight * penalty, logits: logits, step: step)
        return [Metric("loss", loss.item()), Metric("penalty", penalty.item())]
    }
}
