import Torch

/// Correlation alignment (Sun and Saenko 2016): ``FeatureMatching`` where the distance of two domains' features is the mean
/// squared difference of their means plus that of their covariances.
public enum CORAL {
    /// How ``CORAL`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "CORAL", "Means and covariances of the source domains' features are matched (Sun and Saenko 2016).",
        paper: "https://arxiv.org/abs/1607.01719", FeatureMatchingSettings.self
    ) { try FeatureMatching($0, context: $1, distance: distance) }

    static func distance(_ x: Tensor, _ y: Tensor) -> Tensor {
        let (first, second) = (moments(x), moments(y))
        return (first.mean - second.mean).squared().mean() + (first.covariance - second.covariance).squared().mean()
    }

    /// Mean [1, F] and covariance [F, F] of features [N, F].
    private static func moments(_ features: Tensor) -> (mean: Tensor, covariance: Tensor) {
        let mean = features.mean([0], keepDimensions: true)
        let centred = features - mean
        return (mean, centred.transposed(0, 1).matmul(centred) / Double(features.size(0) - 1))
    }
}
