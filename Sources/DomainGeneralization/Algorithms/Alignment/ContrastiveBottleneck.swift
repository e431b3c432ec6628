import Backbones
import Torch

/// The settings of ``CAD`` and ``CondCAD``.
public struct ContrastiveBottleneckSettings: Hyperparameters {
    /// λ: weight of the bottleneck.
    public var penaltyWeight = 0.1
    /// T: divides the similarity of two images' features.
    public var temperature = 0.1
    /// Whether features are brought to length 1 for it.
    public var isNormalized = false
    /// Whether the probability of another domain is raised; otherwise that of the own is lowered.
    public var isFlipped = true

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
    public static let fields: [Setting<Self>] = [
        Setting(
            "penaltyWeight", \.penaltyWeight, "weight of the bottleneck", .atLeast(0),
            search: .choice([1e-4, 1e-3, 1e-2, 1e-1, 1, 1e1, 1e2]), domainBed: "lmbda"),
        Setting(
            "temperature", \.temperature, "divides the similarity of two images' features", .above(0),
            search: .choice([0.05, 0.1])),
        Setting(
            "isNormalized", \.isNormalized, "whether features are brought to length 1 for the bottleneck",
            search: .constant(.bool(false)), domainBed: "is_normalized"),
        Setting(
            "isFlipped", \.isFlipped,
            "whether the probability of another domain is raised; otherwise that of the own is lowered",
            search: .constant(.bool(true)), domainBed: "is_flipped"),
    ]
}

/// ``CAD`` and ``CondCAD``: `L = CE + λ·B`. An image i chooses another j with the probability
/// `p_ij ∝ exp(⟨φ_i, φ_j⟩ / T)`, and B is the mean over the images of `−T/0.07 · log Σ p_ij` over those j of another domain; not
/// flipped, of `T/0.07 · log Σ p_ij` over those of the own domain. CAD lets an image choose among all others, and leaves out
/// images whose class no other has; CondCAD among those of its class, and leaves out those that have none to sum over.
///
/// As in DomainBed, the own domain's images of CAD that is not flipped have i among them, with a similarity of 0. Its option
/// `is_project` ends in an error there, and is no setting here.
public final class ContrastiveBottleneck: Algorithm {
    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: ContrastiveBottleneckSettings
    private let isConditional: Bool

    /// Builds the classifier and its optimiser for a run.
    /// - Parameter isConditional: whether images are compared with those of their class alone.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(
        _ settings: ContrastiveBottleneckSettings, context: AlgorithmContext, isConditional: Bool
    ) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        self.isConditional = isConditional
    }

    /// One step along the cross-entropy and the weighted bottleneck; logs `total_loss`, `clf_loss` and `bn_loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let labels = minibatches.labels
        let features = classifier.features(minibatches.inputs)
        let logits = classifier.logits(features)
        let loss = crossEntropy(logits, labels)
        let bottleneck = bottleneck(features, ImagePairs(labels: labels, domains: minibatches.domains))
        let value = try training.minimise(loss + settings.penaltyWeight * bottleneck, logits: logits, step: step)
        return [
            Metric("total_loss", value), Metric("clf_loss", loss.item()), Metric("bn_loss", bottleneck.item()),
        ]
    }

    /// B, a scalar.
    private func bottleneck(_ features: Tensor, _ pairs: ImagePairs) -> Tensor {
        let choices = isConditional ? pairs.sameClass : pairs.others
        let domain = settings.isFlipped ? 1 - pairs.sameDomain : pairs.sameDomain
        let summed = isConditional ? domain * pairs.sameClass : domain
        let counts = (pairs.sameClass.sum([1]) * summed.sum([1])).scalars(Float.self)
        let used = counts.indices.filter { counts[$0] > 0 }
        guard !used.isEmpty else { return .zeros([], device: features.device) }
        let rows = Tensor(used, device: features.device)
        let all = settings.isNormalized ? features.normalisedRows : features
        let similarities = all.matmul(all.transposed(0, 1)) / settings.temperature * pairs.others
        func logSum(_ mask: Tensor) -> Tensor {
            (similarities + mask.log()).indexSelect(0, rows).logSumExp(1)
        }
        let mean = (logSum(summed) - logSum(choices)).mean() * (settings.temperature / 0.07)
        return settings.isFlipped ? -1 * mean : mean
    }
}
