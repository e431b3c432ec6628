import Backbones
import Foundations
import Torch

/// Inter-environmental gradient alignment (Koyama and Yamaguchi 2020): `L = mean over e of CE_e + λ · Σ_e ‖g_e − ḡ‖²`, where
/// g_e is the gradient of CE_e by all parameters and ḡ their mean, a constant.
///
/// The penalty's gradient is one of gradients: the backbone is a convolutional one, since attention has no second derivatives,
/// and gradient checkpointing is off.
public final class IGA: Algorithm {
    /// The settings of ``IGA``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// λ: weight of the penalty.
        public var penaltyWeight = 1000.0

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "penaltyWeight", \.penaltyWeight, "weight of the distances of the domains' gradients from their mean",
                .atLeast(0), search: .power(10, 1, 5), domainBed: "penalty")
        ]
    }

    /// How ``IGA`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "IGA", "The distances of the source domains' gradients are a penalty (Koyama and Yamaguchi 2020).",
        paper: "https://arxiv.org/abs/2008.01883", Settings.self
    ) { try IGA($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: Settings

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: `UserError` for a transformer.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        // Those of a transformer are tokens, [1, T, C].
        guard classifier.levelShapes(imageSize: context.imageSize).allSatisfy({ $0.count == 4 }) else {
            throw UserError(
                "IGA differentiates gradients, which the attention of \(classifier.description.name) does not allow; choose a "
                    + "convolutional --backbone")
        }
        if classifier.store.recomputesLayers {
            context.logger.warning("IGA differentiates gradients: it trains without gradient checkpointing")
            classifier.store.recomputesLayers = false
        }
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
    }

    /// One step along the mean loss and the weighted penalty; logs `loss`, the mean of the environments', and `penalty`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let parameters = training.optimizer.parameters
        let logits = minibatches.map { classifier($0.inputs) }
        let losses = zip(logits, minibatches).map { crossEntropy($0, $1.labels) }
        let each = losses.map { gradients(of: [$0], with: parameters, createGraph: true) }
        let distances = parameters.indices.compactMap { index -> Tensor? in
            let found = each.compactMap { $0[index] }
            guard !found.isEmpty else { return nil }
            let stacked = Tensor.stacked(found)
            return (stacked - stacked.detached().mean([0], keepDimensions: true)).squared().sum()
        }
        let (loss, penalty) = (losses.mean, distances.total)
        try training.minimise(
            loss + settings.penaltyWeight * penalty, logits: .concatenated(logits), step: step)
        return [Metric("loss", loss.item()), Metric("penalty", penalty.item())]
    }
}
