import Backbones
import Torch

/// The settings of ``CORAL`` and ``MMD``.
public struct FeatureMatchingSettings: Hyperparameters {
    /// Weight of the distance between the domains' features (DomainBed's `mmd_gamma`).
    public var gamma = 1.0

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
    public static let fields: [Setting<Self>] = [
        Setting(
            "gamma", \.gamma, "weight of the distance between the source domains' features", .atLeast(0),
            search: .power(10, -1, 1), domainBed: "mmd_gamma")
    ]
}

/// Features whose distributions are matched across environments, by a distance d of two sets of features; with that of
/// ``CORAL`` or ``MMD`` it is that algorithm: `L = mean over i of CE_i + γ · mean over pairs i < j of d(φ(x_i), φ(x_j))`.
public final class FeatureMatching: Algorithm {
    /// The distance of two sets of features, [N, F] and [M, F]; a scalar.
    public typealias Distance = (_ x: Tensor, _ y: Tensor) -> Tensor

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: FeatureMatchingSettings
    private let distance: Distance

    /// Builds the classifier and its optimiser for a run, and matches features by a distance.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(
        _ settings: FeatureMatchingSettings, context: AlgorithmContext, distance: @escaping Distance
    ) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        self.distance = distance
    }

    /// One step along the cross-entropy and the distances of all pairs of environments; logs `loss` and `penalty`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let features = minibatches.map { classifier.features($0.inputs) }
        let logits = features.map(classifier.logits)
        let loss = zip(logits, minibatches).map { crossEntropy($0, $1.labels) }.mean
        let pairs = features.indices.flatMap { i in features.indices.dropFirst(i + 1).map { (i, $0) } }
        guard !pairs.isEmpty else {
            let value = try training.minimise(loss, logits: .concatenated(logits), step: step)
            return [Metric("loss", value), Metric("penalty", 0)]
        }
        let penalty = pairs.map { distance(features[$0], features[$1]) }.mean
        try training.minimise(loss + settings.gamma * penalty, logits: .concatenated(logits), step: step)
        return [Metric("loss", loss.item()), Metric("penalty", penalty.item())]
    }
}
