import CTorch

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
/// Diffusion's U-Net is, this takes a third of the time. The numbers are the same up to rounding, and the same to the bit
/// whenever an input has the same shape: what a weight is packed for does not depend on earlier calls.
final class PackedWeight {
    private struct Source: Equatable {
        let address: UnsafeMutableRawPointer?
        let version: Int64
        let inputShape: [Int]
    }

    private var source: Source?
    private var weight: Tensor?

    /// As ``Tensor/linear(_:_:)``.
    func linear(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?) -> Tensor {
        let rows = x.count / max(1, x.size(-1))
        let packed = kept(weight, for: [rows]) { Op.packLinear(.tensor(weight), .int(rows)) }
        return Op.linear(
            .tensor(x), .tensor(packed), .optional(bias), .string("none"), .scalars([]), .string(""))
    }

    /// As ``Tensor/conv2d(_:_:stride:padding:dilation:groups:)``.
    func conv2d(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, stride: Int, padding: Int, groups: Int
    ) -> Tensor {
        let shape = x.shape
        let (paddings, strides) = (Value.ints([padding, padding]), Value.ints([stride, stride]))
        let packed = kept(weight, for: shape) {
            Op.packConvolution(.tensor(weight), paddings, strides, .ints([1, 1]), .int(groups), .ints(shape))
        }
        return Op.convolution(
            .tensor(x), .tensor(packed), .optional(bias), paddings, strides, .ints([1, 1]), .int(groups),
            .string("none"), .scalars([]), .string(""))
    }

    /// The packed weight, made anew where the weight or the inputs' shape are not those of the last call.
    private func kept(_ weight: Tensor, for inputShape: [Int], pack: () -> Tensor) -> Tensor {
        let source = Source(address: weight.address, version: ct_tensor_version(weight.handle), inputShape: inputShape)
        if let packed = self.weight, self.source == source { return packed }
        self.weight = nil  // gives its memory back before the new one is made
        let packed = ordinaryMode(pack)
        (self.source, self.weight) = (source, packed)
        weight.releasePages()
        return packed
    }
}

extension ParameterStore {
    /// Whether a layer is to use its weight packed for an input.
    func packs(_ weight: Tensor, for x: Tensor) -> Bool {
        packsWeights && !ct_grad_mode() && x.dtype == .float32 && weight.dtype == .float32 && x.device == .cpu
            && x.count > 0 && Op.areThere
    }
}
