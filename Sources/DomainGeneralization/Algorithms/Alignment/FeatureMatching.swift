import Backbones
import Torch

/// The settings of ``CORAL`` and ``MMD``.
public struct FeatureMatchingSettings: Hyperparameters {
    /// Weight of the distance between the domains' features (DomainBed's `mmd_gamma`).
    public var gamma = 1.0

    public init() {}

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

    public let classifier: Classifier
    public let training: TrainingStep
    private let settings: FeatureMatchingSettings
    private let distance: Distance

    public init(
        _ settings: FeatureMatchingSettings, context: AlgorithmContext, distance: @escaping Distance
    ) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        self.distance = distance
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let features = minibatches.map { classifier.features($0.images) }
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
