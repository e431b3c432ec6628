import CTorch
import Synchronization

private enum Op {
    static let pack = Operator("mkldnn::_reorder_convolution_weight")
    static let convolution = Operator("mkldnn::_convolution_pointwise")
    static let convolutionAdding = Operator("mkldnn::_convolution_pointwise", "binary")
}

/// The weight and bias of a convolution with its batch norm in them, in the order in which oneDNN's kernels read them,
/// kept from call to call.
///
/// The residual and the activation are added by the same kernel while its results are in the processor's caches: a
/// network that is only asked passes over its maps once a layer. The numbers are those of the layers one after the
/// other up to rounding, whatever the number of images that they were packed for.
final class PackedConvNorm {
    /// What the layers' parameters are, and how often they have been changed.
    private struct Source: Equatable, Sendable {
        let address: Int
        let version: Int64

        init(_ tensor: Tensor) {
            address = Int(bitPattern: tensor.address)
            version = ct_tensor_version(tensor.handle)
        }
    }

    /// Of whose parameters the weight and the bias are made.
    private struct Kept: Sendable {
        let sources: [Source]
        let weight: Tensor
        let bias: Tensor
    }

    private let lock = Mutex(())
    /// For one image, and for several: of one the kernels share out other places, and may read the weight in another order.
    /// Guarded by `lock`: a network can be at work on several threads.
    private var kept: (one: Kept?, several: Kept?)

    /// `activation(norm(convolution(x)) + residual)` with the norm's running statistics, without gradients.
    func callAsFunction(
        _ x: Tensor, _ convolution: Conv2d, _ norm: BatchNorm2d, _ activation: Activation, adding residual: Tensor?
    ) -> Tensor {
        let x = x.contiguous(.channelsLast)
        let paddings = Value.ints([convolution.padding, convolution.padding])
        let strides = Value.ints([convolution.stride, convolution.stride])
        let (dilations, groups) = (Value.ints([1, 1]), Value.int(convolution.groups))
        let parameters = [convolution.weight, norm.weight, norm.bias, norm.runningMean, norm.runningVariance]
        let sources = parameters.map(Source.init)
        let current = lock.withLock { _ in
            let isOne = x.size(0) == 1
            if let kept = isOne ? kept.one : kept.several, kept.sources == sources { return kept }
            let made = ordinaryMode {
                let scale = norm.weight / (norm.runningVariance + norm.epsilon).sqrt()
                let weight = convolution.weight * scale.reshaped(-1, 1, 1, 1)
                return Kept(
                    sources: sources,
                    weight: Op.pack(.tensor(weight), paddings, strides, dilations, groups, .ints(x.shape)),
                    bias: norm.bias - norm.runningMean * scale)
            }
            if isOne { kept.one = made } else { kept.several = made }
            return made
        }
        let (weight, bias) = (Value.tensor(current.weight), Value.tensor(current.bias))
        let bounds = Value.scalars(activation.oneDNNBounds)
        guard let residual else {
            return Op.convolution(
                .tensor(x), weight, bias, paddings, strides, dilations, groups,
                .string(activation.oneDNNName), bounds, .none)
        }
        // With a sum this kernel knows no activation but ReLU.
        let sum = Op.convolutionAdding(
            .tensor(x), .tensor(residual.contiguous(.channelsLast)), weight, bias, paddings, strides, dilations, groups,
            .string("add"), .none, activation == .relu ? .string("relu") : .none, .scalars([]), .none)
        if activation == .relu6 { sum.relu6_() }
        return sum
    }
}

extension Activation {
    /// What oneDNN's operators call it.
    fileprivate var oneDNNName: String {
        switch self {
        case .identity: "none"
        case .relu: "relu"
        case .relu6: "hardtanh"
        }
    }

    /// The numbers that belong to the name.
    fileprivate var oneDNNBounds: [Double] { self == .relu6 ? [0, 6] : [] }
}
