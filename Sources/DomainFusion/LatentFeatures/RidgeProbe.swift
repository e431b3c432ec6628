import Torch

/// A linear classifier over frozen features in closed form: ridge regression of the classes' indicators on standardised
/// features (scikit-learn's `RidgeClassifier` with targets 0 and 1).
struct RidgeProbe {
    private let mean, deviation, targetMean: Tensor
    /// Of standardised features [width, classes].
    let weights: Tensor

    /// - Parameters:
    ///   - features: [N, width].
    ///   - labels: N class indices.
    ///   - penalty: the weight of the squared coefficients, above 0.
    init(_ features: Tensor, labels: [Int], classes: Int, penalty: Double) {
        let spread = features.variance([0]).sqrt()
        mean = features.mean([0])
        deviation = spread + spread.equal(0).to(dtype: features.dtype)
        let x = ((features - mean) / deviation).to(dtype: .float64)
        let y = Tensor(labels).oneHot(classes).to(dtype: .float64)
        targetMean = y.mean([0])
        let width = features.size(1)
        let gram = x.transposed(0, 1).matmul(x) + penalty * Tensor(Array(0..<width)).oneHot(width).to(dtype: .float64)
        weights = gram.solving(x.transposed(0, 1).matmul(y - targetMean))
    }

    /// The share of images whose class is found.
    func accuracy(_ features: Tensor, labels: [Int]) -> Double {
        guard !labels.isEmpty else { return .nan }
        let scores = ((features - mean) / deviation).to(dtype: .float64).matmul(weights) + targetMean
        let found = scores.argmax(1).scalars(Int.self)
        return Double(zip(found, labels).filter { $0 == $1 }.count) / Double(labels.count)
    }
}
