import Backbones
import Torch

/// Fish (Shi and others, ICLR 2022), which matches the gradients of the environments to first order: Adam steps along each
/// environment's loss in turn, from θ to θ', then `θ ← θ + ε·(θ' − θ)`; batch-norm statistics likewise.
public final class Fish: Algorithm {
    public struct Settings: Hyperparameters {
        /// ε.
        public var metaRate = 0.5

        public init() {}

        public static let fields: [Setting<Self>] = [
            Setting(
                "metaRate", \.metaRate, "share of the way of the inner steps that is kept", .above(0),
                search: .choice([0.05, 0.1, 0.5]), domainBed: "meta_lr")
        ]
    }

    public static let description = AlgorithmDescription(
        "Fish", "The source domains' gradients are matched by steps along each in turn (Shi and others 2022).",
        paper: "https://arxiv.org/abs/2104.09937", Settings.self
    ) { try Fish($0, context: $1) }

    public let classifier: Classifier
    public let training: TrainingStep
    private let settings: Settings

    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let before = ParameterSnapshot(classifier.store)
        var value = 0.0
        for minibatch in minibatches {
            let loss = crossEntropy(classifier(minibatch.images), minibatch.labels)
            value = try training.minimise(loss, step: step)
        }
        if !training.isHeld { before.move(settings.metaRate) }
        return [Metric("loss", value)]
    }
}
