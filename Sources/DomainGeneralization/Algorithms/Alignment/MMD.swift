import Torch

/// Maximum mean discrepancy (Gretton and others 2012; Li and others, CVPR 2018): ``FeatureMatching`` with
/// `d(X, Y) = mean k(X, X) + mean k(Y, Y) − 2·mean k(X, Y)` with `k(a, b) = Σ_γ exp(−γ·‖a − b‖²)`,
/// γ ∈ {0.001, 0.01, …, 1000}.
public enum MMD {
    /// How ``MMD`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "MMD", "Distributions of the source domains' features are matched by Gaussian kernels (Li and others 2018).",
        paper: "https://openaccess.thecvf.com/content_cvpr_2018/papers/"
            + "Li_Domain_Generalization_With_CVPR_2018_paper.pdf",
        FeatureMatchingSettings.self
    ) { try FeatureMatching($0, context: $1, distance: distance) }

    static func distance(_ x: Tensor, _ y: Tensor) -> Tensor { distance(x, y, rates: rates) }

    /// The factors γ.
    static let rates = [0.001, 0.01, 0.1, 1, 10, 100, 1000]

    /// The same with other factors γ.
    static func distance(_ x: Tensor, _ y: Tensor, rates: [Double]) -> Tensor {
        kernel(x, x, rates) + kernel(y, y, rates) - 2 * kernel(x, y, rates)
    }

    /// The mean of the kernel over all pairs of rows.
    private static func kernel(_ x: Tensor, _ y: Tensor, _ rates: [Double]) -> Tensor {
        // Difference by difference: ‖a‖² − 2ab + ‖b‖² would lose digits that γ = 1000 brings back.
        let distances = (x.unsqueezed(1) - y.unsqueezed(0)).squared().sum([2])
        return rates.map { (distances * -$0).exp().mean() }.total
    }
}
