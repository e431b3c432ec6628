import Backbones
import Torch

/// The settings of ``CORAL`` and ``MMD``.
public struct FeatureMatchingSettings: Hyperparameters {
    /// Weight of the distance between the domains' features (DomainBed's `mmd_gamma`).
    public var gamma = 1.0

    public init() {}

    public static let search = [
        SearchRange("gamma", as: "mmd_gamma", .power(10, -1, 1))
    ]

    public static let help = ["gamma": "weight of the distance between the source domains' features; at least 0"]

    public func validate() throws { try require("gamma", gamma, atLeast: 0) }
}

/// The update of ``CORAL`` and ``MMD``: `L = mean over i of CE_i + γ · mean over pairs i < j of d(φ(x_i), φ(x_j))`.
struct FeatureMatching {
    let classifier: Classifier
    let training: TrainingStep
    let gamma: Double
    /// The distance of two sets of features, [N, F] and [M, F]; a scalar.
    let distance: (Tensor, Tensor) -> Tensor

    func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let features = minibatches.map { classifier.features($0.images) }
        let logits = features.map(classifier.logits)
        let loss = zip(logits, minibatches).map { crossEntropy($0, $1.labels) }.mean
        let pairs = features.indices.flatMap { i in features.indices.dropFirst(i + 1).map { (i, $0) } }
        guard !pairs.isEmpty else {
            return [Metric("loss", try training.minimise(loss, logits: .concatenated(logits), step: step)), Metric("penalty", 0)]
        }
        let penalty = pairs.map { distance(features[$0], features[$1]) }.mean
        try training.minimise(loss + gamma * penalty, logits: .concatenated(logits), step: step)
        return [Metric("loss", loss.item()), Metric("penalty", penalty.item())]
    }
}
