private enum Op {
    static let linear = Operator("domainfusion::linear")
    static let conv2d = Operator("domainfusion::conv2d")
    static let dilatedConv2d = Operator("aten::conv2d")
    static let groupNorm = Operator("domainfusion::group_norm")
    static let layerNorm = Operator("aten::layer_norm")
    static let batchNorm = Operator("domainfusion::batch_norm")
    static let embedding = Operator("aten::embedding")
    static let dropout = Operator("aten::dropout")
    static let attention = Operator("domainfusion::attention")
    static let maskedAttention = Operator("aten::scaled_dot_product_attention")
    static let maxPool = Operator("domainfusion::max_pool2d")
    static let avgPool = Operator("aten::avg_pool2d")
    static let adaptiveAvgPool = Operator("aten::adaptive_avg_pool2d")
    static let nearest = Operator("aten::upsample_nearest2d")
    static let bilinear = Operator("aten::upsample_bilinear2d")
    static let bilinearAA = Operator("aten::_upsample_bilinear2d_aa")
    static let bicubicAA = Operator("aten::_upsample_bicubic2d_aa")
    static let rfft2 = Operator("aten::fft_rfft2")
    static let irfft2 = Operator("aten::fft_irfft2")
    static let fft2 = Operator("aten::fft_fft2")
    static let ifft2 = Operator("aten::fft_ifft2")
    static let angle = Operator("aten::angle")
    static let polar = Operator("aten::polar")
    static let real = Operator("aten::real")
}

extension Tensor {
    /// self · weightᵀ + bias over the last dimension: [8, 512] with a weight [10, 512] → [8, 10].
    public func linear(_ weight: Tensor, _ bias: Tensor?) -> Tensor {
        Op.linear(.tensor(self), .tensor(weight), .optional(bias))
    }
    /// Convolution of [N, C, H, W] with `weight` [out, in / groups, kH, kW] and `bias` [out].
    ///
    /// Shapes: [8, 3, 32, 32] with a weight [16, 3, 3, 3], stride 2 and padding 1 → [8, 16, 16, 16].
    ///
    /// Where every channel has a kernel of its own (depthwise), on a CPU in float32 and channels-last, the weight's
    /// gradient
    /// is not libtorch's but one that is several times as fast for kernels above 3×3 and for planes of up to 16 pixels.
    public func conv2d(
        _ weight: Tensor, _ bias: Tensor?, stride: Int = 1, padding: Int = 0, dilation: Int = 1, groups: Int = 1
    ) -> Tensor {
        guard dilation == 1 else {
            return Op.dilatedConv2d(
                .tensor(self), .tensor(weight), .optional(bias), .ints([stride, stride]), .ints([padding, padding]),
                .ints([dilation, dilation]), .int(groups))
        }
        return Op.conv2d(
            .tensor(self), .tensor(weight), .optional(bias), .int(stride), .int(padding), .int(groups))
    }
    /// Group normalisation (Wu & He 2018) of [N, C, …] with `weight` and `bias` [C], and SiLU of it where `silu` says
    /// so; the shape stays.
    ///
    /// On a CPU in float32 and channels-last both are one operator,
    /// and convolutions behind it compute their input again, as behind
    /// ``batchNorm(_:_:runningMean:runningVariance:training:momentum:epsilon:activation:adding:)``.
    /// - Parameters:
    ///   - groups: how many groups the C channels fall into, a divisor of C.
    ///   - epsilon: what is added to the variance before the root.
    public func groupNorm(
        _ groups: Int, _ weight: Tensor?, _ bias: Tensor?, epsilon: Double, silu: Bool = false
    ) -> Tensor {
        Op.groupNorm(.tensor(self), .int(groups), .optional(weight), .optional(bias), .double(epsilon), .bool(silu))
    }
    /// Layer normalisation (Ba et al. 2016) over the last dimensions, whose sizes are `shape`: [8, 77,
    /// 768].layerNorm([768], …) → [8, 77, 768].
    /// - Parameters:
    ///   - weight: factors of this `shape`, or nil for none.
    ///   - bias: summands of this `shape`, or nil for none.
    ///   - epsilon: what is added to the variance before the root.
    public func layerNorm(_ shape: [Int], _ weight: Tensor?, _ bias: Tensor?, epsilon: Double) -> Tensor {
        Op.layerNorm(.tensor(self), .ints(shape), .optional(weight), .optional(bias), .double(epsilon))
    }
    /// Batch normalisation (Ioffe & Szegedy 2015) of [N, C, H, W], then residual and activation: `activation(norm(self)
    /// + residual)`.
    ///
    /// With `training` the norm is by the batch's own statistics [C], and the running ones are updated in place. The
    /// shape stays.
    ///
    /// With `training`, on a CPU in float32 and channels-last, ``conv2d(_:_:stride:padding:dilation:groups:)`` and
    /// ``maxPool2d(_:stride:padding:)`` do not keep what they get straight from here for their gradient: they compute
    /// it again
    /// from what the norm keeps. A network of convolution, norm and activation keeps half the maps.
    /// - Parameters:
    ///   - momentum: weight of this batch in the running statistics, 0…1.
    ///   - epsilon: what is added to the variance before the root.
    ///   - residual: a tensor of this shape, or nil.
    ///   - group: processes over whose images the statistics are taken in training (PyTorch's `SyncBatchNorm`), which
    ///     needs a weight and a bias; nil is this one alone.
    public func batchNorm(
        _ weight: Tensor?, _ bias: Tensor?, runningMean: Tensor?, runningVariance: Tensor?, training: Bool,
        momentum: Double, epsilon: Double, activation: Activation = .identity, adding residual: Tensor? = nil,
        over group: ProcessGroup? = nil
    ) -> Tensor {
        Op.batchNorm(
            .tensor(self), .optional(weight), .optional(bias), .optional(runningMean), .optional(runningVariance),
            .bool(training), .double(momentum), .double(epsilon), .double(activation.range.lowerBound),
            .double(activation.range.upperBound), .optional(residual), .string(group?.name ?? ""))
    }
    /// Rows of `self` [entries, width] at integer `indices` of any shape: [49408, 768].embedding([8, 77]) → [8, 77,
    /// 768].
    public func embedding(_ indices: Tensor) -> Tensor { Op.embedding(.tensor(self), .tensor(indices)) }
    /// Zeroes elements with this probability and scales the others by 1 / (1 − probability), with libtorch's default
    /// generator; without `training` the tensor itself. For numbers that can be repeated see ``dropout(_:generator:)``.
    public func dropout(_ probability: Double, training: Bool) -> Tensor {
        guard training, probability > 0 else { return self }
        return Op.dropout(.tensor(self), .double(probability), .bool(true))
    }
    /// Scaled dot-product attention: softmax(q kᵀ / √width) v, fused where libtorch can.
    ///
    /// Shapes: queries [N, heads, L, width] (`self`), keys and values [N, heads, S, width] → [N, heads, L, width].
    /// - Parameters:
    ///   - mask: [L, S] or what broadcasts to [N, heads, L, S]; true, or a summand above −∞, lets a query see a key.
    ///   - causal: query i sees keys 0…i alone.
    public func attention(keys: Tensor, values: Tensor, mask: Tensor? = nil, causal: Bool = false) -> Tensor {
        guard mask != nil || causal else { return Op.attention(.tensor(self), .tensor(keys), .tensor(values)) }
        return Op.maskedAttention(
            .tensor(self), .tensor(keys), .tensor(values), .optional(mask), .double(0), .bool(causal))
    }
    /// The largest number of each k×k window: [8, 64, 32, 32].maxPool2d(3, stride: 2, padding: 1) → [8, 64, 16, 16].
    public func maxPool2d(_ kernel: Int, stride: Int, padding: Int = 0) -> Tensor {
        Op.maxPool(.tensor(self), .int(kernel), .int(stride), .int(padding))
    }
    /// The mean of each k×k window: [8, 64, 32, 32].averagePool2d(2, stride: 2) → [8, 64, 16, 16].
    public func averagePool2d(_ kernel: Int, stride: Int) -> Tensor {
        Op.avgPool(.tensor(self), .ints([kernel, kernel]), .ints([stride, stride]))
    }
    /// Mean over height and width: [N, C, H, W] → [N, C, 1, 1].
    public func globalAveragePool2d() -> Tensor { Op.adaptiveAvgPool(.tensor(self), .ints([1, 1])) }
    /// Resizes by repeating the nearest pixel: [8, 4, 16, 16].upsampledNearest(32, 32) → [8, 4, 32, 32].
    public func upsampledNearest(_ height: Int, _ width: Int) -> Tensor {
        Op.nearest(.tensor(self), .ints([height, width]))
    }
    /// Bilinear resize without aligned corners: [8, 3, 64, 64].resizedBilinear(32, 32) → [8, 3, 32, 32].
    /// - Parameter antialias: averages over what a pixel covers when it shrinks, as Pillow does.
    public func resizedBilinear(_ height: Int, _ width: Int, antialias: Bool = false) -> Tensor {
        (antialias ? Op.bilinearAA : Op.bilinear)(.tensor(self), .ints([height, width]), .bool(false))
    }
    /// Bicubic resize with antialiasing, without aligned corners: [8, 3, 64, 64].resizedBicubic(32, 32) → [8, 3, 32,
    /// 32].
    public func resizedBicubic(_ height: Int, _ width: Int) -> Tensor {
        Op.bicubicAA(.tensor(self), .ints([height, width]), .bool(false))
    }

    // Fourier transforms over the last two dimensions
    /// Fourier transform of real numbers over the last two dimensions, without the half that mirrors the other: [8, 3,
    /// 32, 32] → [8, 3, 32, 17], complex.
    public func rfft2() -> Tensor { Op.rfft2(.tensor(self)) }
    /// The inverse of ``rfft2()``: complex [8, 3, 32, 17].irfft2(32, 32) → [8, 3, 32, 32], real.
    public func irfft2(_ height: Int, _ width: Int) -> Tensor { Op.irfft2(.tensor(self), .ints([height, width])) }
    /// Fourier transform over the last two dimensions: [8, 3, 32, 32] → [8, 3, 32, 32], complex.
    public func fft2() -> Tensor { Op.fft2(.tensor(self)) }
    /// The inverse of ``fft2()``, scaled by 1 / (H·W): [8, 3, 32, 32] → [8, 3, 32, 32], complex.
    public func ifft2() -> Tensor { Op.ifft2(.tensor(self)) }
    /// Phase of complex numbers in radians, −π…π: [2, 3] → [2, 3].
    public func angle() -> Tensor { Op.angle(.tensor(self)) }
    /// Real part of complex numbers, a view of their memory: [2, 3] → [2, 3].
    public func realPart() -> Tensor { Op.real(.tensor(self)) }
    /// Complex numbers of this magnitude and the given phase in radians: [2, 3] and [2, 3] → [2, 3].
    public func polar(phase: Tensor) -> Tensor { Op.polar(.tensor(self), .tensor(phase)) }
}
