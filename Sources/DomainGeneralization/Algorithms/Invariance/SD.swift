import Backbones
import Torch

/// Spectral decoupling (Pezeshki and others, NeurIPS 2021): `L = CE + λ · mean of the squared logits`, against gradient
/// starvation.
public final class SD: Algorithm {
    /// The settings of ``SD``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// λ: weight of the mean squared logit.
        public var penaltyWeight = 0.1

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "penaltyWeight", \.penaltyWeight, "weight of the mean squared logit", .atLeast(0),
                search: .power(10, -5, -1), domainBed: "sd_reg")
        ]
    }

    /// How ``SD`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "SD", "Spectral decoupling: large logits are a penalty (Pezeshki and others 2021).",
        paper: "https://arxiv.org/abs/2011.09468", Settings.self
    ) { try SD($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    /// Several processes can train it together.
    public let whyOneProcess: String? = nil
    private let settings: Settings

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
    }

    /// One step along the cross-entropy and the mean squared logit; logs `loss` and `penalty`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = classifier(minibatches.inputs)
        let loss = crossEntropy(logits, minibatches.labels)
        let penalty = logits.squared().mean()
        try training.minimise(loss + settings.penaltyWeight * penalty, logits: logits, step: step)
        return [Metric("loss", loss.item()), Metric("penalty", penalty.item())]
    }
}
