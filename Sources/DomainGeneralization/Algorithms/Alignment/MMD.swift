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
        training = TrainingStep(classifier, settings: context.optimizer)
        matching = FeatureMatching(
            classifier: classifier, training: training, gamma: settings.gamma, distance: Self.distance)
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        try matching.update(minibatches, step: step)
    }

    static func distance(_ x: Tensor, _ y: Tensor) -> Tensor { kernel(x, x) + kernel(y, y) - 2 * kernel(x, y) }

    /// The mean of the kernel over all pairs of rows.
    private static func kernel(_ x: Tensor, _ y: Tensor) -> Tensor {
        // Difference by difference: ‖a‖² − 2ab + ‖b‖² would lose digits that γ = 1000 brings back.
        let distances = (x.unsqueezed(1) - y.unsqueezed(0)).squared().sum([2])
        return [0.001, 0.01, 0.1, 1, 10, 100, 1000].map { (distances * -$0).exp().mean() }.total
    }
}
