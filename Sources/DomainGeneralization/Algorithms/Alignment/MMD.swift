import Backbones
import Torch

/// Maximum mean discrepancy (Gretton and others 2012; Li and others, CVPR 2018):
/// `d(X, Y) = mean k(X, X) + mean k(Y, Y) − 2·mean k(X, Y)` with `k(a, b) = Σ_γ exp(−γ·‖a − b‖²)`,
/// γ ∈ {0.001, 0.01, …, 1000}. See ``FeatureMatchingSettings``.
public final class MMD: Algorithm {
    public static let description = AlgorithmDescription(
        "MMD", "Distributions of the source domains' features are matched by Gaussian kernels (Li and others 2018).",
        FeatureMatchingSettings.self
    ) { try MMD($0, context: $1) }

    public let classifier: Classifier
    public let training: TrainingStep
    private let matching: FeatureMatching

    public init(_ settings: FeatureMatchingSettings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier.store.parameters, settings: context.optimizer)
        matching = FeatureMatching(
            classifier: classifier, training: training, gamma: settings.gamma, distance: Self.distance)
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        try matching.update(minibatches, step: step)
    }

    static func distance(_ x: Tensor, _ y: Tensor) -> Tensor { kernel(x, x) + kernel(y, y) - 2 * kernel(x, y) }

    /// The mean of the kernel over all pairs of rows.
    private static func kernel(_ x: Tensor, _ y: Tensor) -> Tensor {
        func squares(_ rows: Tensor) -> Tensor { rows.squared().sum([1], keepDimensions: true) }
        let distances = squares(x) - 2 * x.matmul(y.transposed(0, 1)) + squares(y).transposed(0, 1)
        let positive = distances.clamp(min: 1e-30)
        return [0.001, 0.01, 0.1, 1, 10, 100, 1000].map { (positive * -$0).exp().mean() }.total
    }
}
