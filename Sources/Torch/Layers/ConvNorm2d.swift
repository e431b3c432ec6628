/// A convolution without bias and the batch norm behind it, for [N, C, H, W].
///
/// Where the norm takes its running statistics, in evaluation or frozen, it is part of the convolution:
/// `w·γ/σ ∗ x + (β − μ·γ/σ)`. The function and the gradients are those of the two layers. What is saved is a pass over the
/// maps forwards and one backwards, and the memory of the maps between the layers, which the norm would keep for its
/// gradient. In a store with ``ParameterStore/packsWeights`` it is made once, and not in every call.
public struct ConvNorm2d {
    private let convolution: Conv2d
    private let norm: BatchNorm2d
    private let packed = PackedConvNorm()

    /// Joins two layers; their parameters keep their keys.
    /// - Precondition: the convolution has no bias.
    public init(_ convolution: Conv2d, _ norm: BatchNorm2d) {
        precondition(convolution.bias == nil)
        self.convolution = convolution
        self.norm = norm
    }

    /// `activation(norm(convolution(x)) + residual)`: [N, in, H, W] → [N, out, H′, W′], the residual of the result's
    /// shape.
    public func callAsFunction(
        _ x: Tensor, _ activation: Activation = .identity, adding residual: Tensor? = nil
    ) -> Tensor {
        if norm.usesRunningStatistics, !OperatorTrace.isOn, norm.store.packs(convolution.weight, for: x) {
            return packed(x, convolution, norm, activation, adding: residual)
        }
        guard norm.usesRunningStatistics, isWorthFolding(x) else {
            return norm(convolution(x), activation, adding: residual)
        }
        let scale = norm.weight / (norm.runningVariance + norm.epsilon).sqrt()
        let shift = norm.bias - norm.runningMean * scale
        let y = x.conv2d(
            convolution.weight * scale.reshaped(-1, 1, 1, 1), shift, stride: convolution.stride,
            padding: convolution.padding, groups: convolution.groups)
        if let residual { y.add_(residual) }
        activation.apply(inPlace: y)
        return y
    }

    /// Whether the maps have more numbers than the weight, which is scaled in every call: not so for a single small
    /// image. Who watches the operators scales the weight once, and sees the same for any number of images.
    private func isWorthFolding(_ x: Tensor) -> Bool {
        if OperatorTrace.isOn { return true }
        let places = x.size(0) * x.size(2) * x.size(3) / (convolution.stride * convolution.stride)
        return places * convolution.weight.size(0) > convolution.weight.count
    }
}
