import CTorch
import Synchronization

private enum Op {
    static let packConvolution = Operator("mkldnn::_reorder_convolution_weight")
    static let convolution = Operator("mkldnn::_convolution_pointwise")
    static let packLinear = Operator("mkldnn::_reorder_linear_weight")
    static let linear = Operator("mkldnn::_linear_pointwise")
    /// oneDNN's operators with packed weights are not in every build of libtorch.
    static let areThere = [
        "_reorder_convolution_weight", "_convolution_pointwise", "_reorder_linear_weight", "_linear_pointwise",
    ].allSatisfy { Operator.exists("mkldnn::\($0)") }
}

/// A layer's weight in the order in which oneDNN's kernels read it, kept from call to call.
///
/// libtorch brings a weight into that order in every call. Where a call is small beside its weights, as one of Stable
/// Diffusion's U-Net is, this takes a third of the time. The numbers are those of the plain weight up to rounding, and the same
/// to the bit whenever an input has the same shape: the first call packs its weight, too, since the kernels for plain ones
/// round differently, and what was made before a program ended would differ from what the next one makes.
///
/// It is kept from an input shape's second call on, so that what is used once (a prompt's text encoder) costs no memory: of
/// a mapped file's weight neither the first call nor packing leaves pages resident.
final class PackedWeight {
    private struct Source: Equatable {
        let address: UnsafeMutableRawPointer?
        let version: Int64
        let inputShape: [Int]
    }

    /// Held by whom looks at the two below: a network can be at work on several threads.
    private let lock = Mutex(())
    private var source: Source?
    private var packed: Tensor?

    /// As ``Tensor/linear(_:_:)``.
    func linear(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?) -> Tensor {
        let rows = x.count / max(1, x.size(-1))
        return with(weight, for: [rows]) {
            Op.packLinear(.tensor(weight), .int(rows))
        } call: { weight in
            Op.linear(.tensor(x), .tensor(weight), .optional(bias), .string("none"), .scalars([]), .string(""))
        }
    }

    /// As ``Tensor/conv2d(_:_:stride:padding:dilation:groups:)``.
    func conv2d(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, stride: Int, padding: Int, groups: Int
    ) -> Tensor {
        // Packed weights are for channels-last inputs; in that order plain ones have the same kernel.
        let x = x.contiguous(.channelsLast)
        let (paddings, strides) = (Value.ints([padding, padding]), Value.ints([stride, stride]))
        return with(weight, for: x.shape) {
            Op.packConvolution(.tensor(weight), paddings, strides, .ints([1, 1]), .int(groups), .ints(x.shape))
        } call: { weight in
            Op.convolution(
                .tensor(x), .tensor(weight), .optional(bias), paddings, strides, .ints([1, 1]), .int(groups),
                .string("none"), .scalars([]), .string(""))
        }
    }

    /// Calls with the packed weight, which is not kept where the weight or the inputs' shape are new.
    private func with(
        _ weight: Tensor, for inputShape: [Int], pack: () -> Tensor, call: (Tensor) -> Tensor
    ) -> Tensor {
        let source = Source(address: weight.address, version: ct_tensor_version(weight.handle), inputShape: inputShape)
        let kept = lock.withLock { _ in
            let isNew = self.source != source
            if isNew { (self.source, packed) = (source, nil) }
            if let packed { return packed }
            let made = ordinaryMode(pack)
            weight.releasePages()
            if !isNew { packed = made }
            return made
        }
        return call(kept)
    }
}

extension DType {
    /// Whether the processor's kernels read weights of this type in an order of their own.
    public var isPacked: Bool { self == .float32 || self == .bfloat16 && Machine.hasBFloat16 }
}

extension ParameterStore {
    /// Whether a layer is to use its weight packed for an input.
    func packs(_ weight: Tensor, for x: Tensor) -> Bool {
        packsWeights && !ct_grad_mode() && x.dtype == weight.dtype && x.dtype.isPacked && x.device == .cpu
            && x.count > 0
            && Op.areThere
    }
}
