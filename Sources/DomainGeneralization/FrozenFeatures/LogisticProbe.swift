import Torch

/// A linear classifier over frozen features: multinomial logistic regression with a penalty, at its minimum. The minimum is one
/// point, so that nothing depends on seeds.
///
/// It minimises `mean of cross-entropy + penalty/2 · ‖W‖²`; the bias is free. Steps are Newton's with Böhning's bound in the place of
/// the curvature (½·xᵀx/N + penalty, inverted once; Böhning 1992), accelerated as Nesterov's, with restarts.
struct LogisticProbe {
    /// Coefficients float32 [classes, width].
    let weight: Tensor
    /// Free terms float32 [classes].
    let bias: Tensor

    /// - Parameters:
    ///   - features: standardised, [N, width].
    ///   - labels: class indices [N].
    ///   - penalty: above 0.
    init(_ features: Tensor, labels: Tensor, classes: Int, penalty: Double) {
        (weight, bias) = noGrad {
            let (count, width) = (features.size(0), features.size(1))
            let ones = Tensor.ones([count, 1], dtype: .float64, device: features.device)
            let x = Tensor.concatenated([features.to(dtype: .float64), ones], dimension: 1)
            let transposed = x.transposed(0, 1).contiguous()
            let target = labels.oneHot(classes).to(dtype: .float64)
            let unit = Tensor(Array(0...width), device: features.device).oneHot(width + 1).to(dtype: .float64)
            // The bias, the last row, is free of the penalty.
            let penalties = Tensor([Double](repeating: penalty, count: width) + [0], shape: [width + 1, 1])
                .to(device: features.device)
            let inverse = (0.5 / Double(count) * transposed.matmul(x) + penalties * unit).solving(unit)
            func gradient(_ w: Tensor) -> Tensor {
                transposed.matmul(x.matmul(w).softmax(1) - target) / Double(count) + penalties * w
            }
            var w = Tensor.zeros([width + 1, classes], dtype: .float64, device: features.device)
            var (ahead, momentum) = (w, 1.0)
            for _ in 0..<Self.mostSteps {
                let slope = gradient(ahead)
                guard slope.abs().max().item() > Self.tolerance else { break }
                let next = ahead - inverse.matmul(slope)
                let moved = next - w
                // Where the way turns against the gradient, the momentum begins anew.
                let turns = (slope * moved).sum().item() > 0
                let longer = turns ? 1 : (1 + (1 + 4 * momentum * momentum).squareRoot()) / 2
                ahead = turns ? next : next + (momentum - 1) / longer * moved
                (w, momentum) = (next, longer)
            }
            return (
                w[0..<width].transposed(0, 1).contiguous().to(dtype: .float32), w[width].to(dtype: .float32)
            )
        }
    }

    private static let mostSteps = 1000
    /// The largest number of the gradient at which the minimum is reached.
    private static let tolerance = 1e-6
}
