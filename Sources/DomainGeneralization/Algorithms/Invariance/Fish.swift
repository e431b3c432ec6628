import Backbones
import Torch

/// Fish (Shi and others, ICLR 2022), which matches the gradients of the environments to first order: Adam steps along each
/// environment's loss in turn, from θ to θ', then `θ ← θ + ε·(θ' − θ)`; batch-norm statistics likewise.
public final class Fish: Algorithm {
    /// The settings of ``Fish``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// ε: share of the way from θ to θ' that is kept, 0…1.
        public var metaRate = 0.5

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "metaRate", \.metaRate, "share of the way of the inner steps that is kept", .above(0),
                search: .choice([0.05, 0.1, 0.5]), domainBed: "meta_lr")
        ]
    }

    /// How ``Fish`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "Fish", "The source domains' gradients are matched by steps along each in turn (Shi and others 2022).",
        paper: "https://arxiv.org/abs/2104.09937", Settings.self
    ) { try Fish($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: Settings

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
    }

    /// Steps along each environment's cross-entropy in turn and keeps a share of the way; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let before = ParameterSnapshot(classifier.store)
        var value = 0.0
        for minibatch in minibatches {
            let loss = crossEntropy(classifier(minibatch.inputs), minibatch.labels)
            value = try training.minimise(loss, step: step)
        }
        if !training.isHeld { before.move(settings.metaRate) }
        return [Metric("loss", value)]
    }
}
