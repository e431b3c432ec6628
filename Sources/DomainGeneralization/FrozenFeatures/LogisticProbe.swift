import Torch

/// A linear classifier over frozen features: multinomial logistic regression with a penalty, by accelerated gradient descent to its
/// minimum (Nesterov's, with restarts). The minimum is one point, so that nothing depends on seeds.
///
/// It minimises `mean of cross-entropy + penalty/2 · ‖W‖²`; the bias is free.
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
            let x = features.to(dtype: .float64)
            let count = Double(x.size(0))
            let target = labels.oneHot(classes).to(dtype: .float64)
            func gradients(_ w: Tensor, _ b: Tensor) -> (w: Tensor, b: Tensor) {
                let residual = (x.matmul(w) + b).softmax(1) - target
                return (x.transposed(0, 1).matmul(residual) / count + penalty * w, residual.mean([0]))
            }
            // Half of the largest eigenvalue of the features' second moments bounds the curvature of the cross-entropy.
            let step = 1 / (0.5 * Self.largestMoment(x) + penalty)
            var w = Tensor.zeros([x.size(1), classes], dtype: .float64, device: x.device)
            var b = Tensor.zeros([classes], dtype: .float64, device: x.device)
            var (ahead, momentum) = ((w: w, b: b), 1.0)
            for _ in 0..<Self.mostSteps {
                let gradient = gradients(ahead.w, ahead.b)
                guard max(gradient.w.abs().max().item(), gradient.b.abs().max().item()) > Self.tolerance else { break }
                let (newW, newB) = (ahead.w - step * gradient.w, ahead.b - step * gradient.b)
                let (movedW, movedB) = (newW - w, newB - b)
                // Where the way turns against the gradient, the momentum begins anew.
                let turn = ((gradient.w * movedW).sum() + (gradient.b * movedB).sum()).item()
                let next = turn > 0 ? 1 : (1 + (1 + 4 * momentum * momentum).squareRoot()) / 2
                let share = turn > 0 ? 0 : (momentum - 1) / next
                ahead = (newW + share * movedW, newB + share * movedB)
                (w, b, momentum) = (newW, newB, next)
            }
            return (w.transposed(0, 1).contiguous().to(dtype: .float32), b.to(dtype: .float32))
        }
    }

    private static let mostSteps = 5000
    /// The largest number of the gradient at which the minimum is reached.
    private static let tolerance = 1e-5

    /// The largest eigenvalue of `[x, 1]ᵀ[x, 1] / N`, from above: by the power method, and a twentieth more.
    private static func largestMoment(_ x: Tensor) -> Double {
        let count = Double(x.size(0))
        var v = Tensor.ones([x.size(1)], dtype: .float64, device: x.device)
        var free = 1.0
        var value = 0.0
        for _ in 0..<50 {
            let along = x.matmul(v) + free
            let (next, nextFree) = (x.transposed(0, 1).matmul(along) / count, along.mean().item())
            value = (next.squared().sum().item() + nextFree * nextFree).squareRoot()
            guard value > 0 else { return 1 }
            (v, free) = (next / value, nextFree / value)
        }
        return 1.05 * value
    }
}
