/// What a layer does to its numbers last.
public enum Activation: Sendable {
    /// Leaves the numbers as they are.
    case identity
    /// Negative numbers become 0: max(0, x).
    case relu
    /// ReLU clamped at 6, as MobileNet has it: min(6, max(0, x)).
    case relu6

    /// What the numbers are clamped to.
    var range: (lowerBound: Double, upperBound: Double) {
        switch self {
        case .identity: (-.infinity, .infinity)
        case .relu: (0, .infinity)
        case .relu6: (0, 6)
        }
    }

    /// For a tensor that nobody else uses; the gradient keeps the result, not both.
    func apply(inPlace x: Tensor) {
        switch self {
        case .identity: break
        case .relu: x.relu_()
        case .relu6: x.relu6_()
        }
    }
}
