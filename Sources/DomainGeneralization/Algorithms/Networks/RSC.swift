import Backbones
import Foundations
import Torch

/// Representation self-challenging (Huang and others, ECCV 2020): the features with the largest gradients of the true logit
/// are muted, in the images whose confidence suffers most from it; `L = CE(h(φ(x)·m), y)`.
///
/// Of an image's features those above the (1 − f) quantile of the gradient are muted; of the images, those at or above the
/// (1 − b) quantile of the fall of the true class's probability.
public final class RSC: Algorithm {
    /// The settings of ``RSC``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// f: share of an image's features that are muted.
        public var featureShare = 1.0 / 3
        /// b: share of the images whose features are muted.
        public var batchShare = 1.0 / 3

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "featureShare", \.featureShare, "share of an image's features that are muted", .within(0...1),
                search: .uniform(0, 0.5), domainBed: "rsc_f_drop_factor"),
            Setting(
                "batchShare", \.batchShare, "share of the images whose features are muted", .within(0...1),
                search: .uniform(0, 0.5), domainBed: "rsc_b_drop_factor"),
        ]
    }

    /// How ``RSC`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "RSC", "Representation self-challenging: the features that matter most are muted (Huang and others 2020).",
        paper: "https://arxiv.org/abs/2007.02454", Settings.self
    ) { try RSC($0, context: $1) }

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

    /// Finds the features to mute by one pass, then steps along the cross-entropy without them; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let labels = minibatches.labels
        let features = classifier.features(minibatches.inputs)
        let mask = mask(features.detached(), labels)
        let loss = crossEntropy(classifier.logits(features * mask), labels)
        return [Metric("loss", try training.minimise(loss, step: step))]
    }

    /// 1 for features that stay, 0 for muted ones.
    private func mask(_ features: Tensor, _ labels: Tensor) -> Tensor {
        features.requiresGrad = true
        func truth(_ scores: Tensor) -> Tensor { scores.gathered(1, labels.unsqueezed(1)) }
        let logits = classifier.logits(features)
        let gradient =
            gradients(of: [truth(logits).sum()], with: [features])[0] ?? features.detached().zerosLike()
        return noGrad {
            let kept = below(gradient, share: 1 - settings.featureShare, dimension: 1)
            let muted = classifier.logits(features * kept)
            let fall = truth(logits.softmax(1)) - truth(muted.softmax(1))
            return Tensor.maximum(kept, below(fall, share: 1 - settings.batchShare, dimension: 0))
        }
    }

    /// 1 where a value is below the quantile, 0 elsewhere.
    private func below(_ values: Tensor, share: Double, dimension: Int) -> Tensor {
        (values - values.quantile(share, dimension: dimension)).less(than: 0).to(dtype: .float32)
    }
}
