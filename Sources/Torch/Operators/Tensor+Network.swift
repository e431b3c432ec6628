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
    /// `self · weightᵀ + bias` over the last dimension.
    public func linear(_ weight: Tensor, _ bias: Tensor?) -> Tensor {
        Op.linear(.tensor(self), .tensor(weight), .optional(bias))
    }
    /// Convolution of [N, C, H, W] with `weight` [out, in / groups, kH, kW].
    ///
    /// Where every channel has a kernel of its own (depthwise), on a CPU in float32 and channels-last, the weight's gradient
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
    /// Group normalisation, and SiLU of it where `silu` says so. On a CPU in float32 and channels-last both are one operator,
    /// and convolutions behind it compute their input again, as behind
    /// ``batchNorm(_:_:runningMean:runningVariance:training:momentum:epsilon:activation:adding:)``.
    public func groupNorm(
        _ groups: Int, _ weight: Tensor?, _ bias: Tensor?, epsilon: Double, silu: Bool = false
    ) -> Tensor {
        Op.groupNorm(.tensor(self), .int(groups), .optional(weight), .optional(bias), .double(epsilon), .bool(silu))
    }
    public func layerNorm(_ shape: [Int], _ weight: Tensor?, _ bias: Tensor?, epsilon: Double) -> Tensor {
        Op.layerNorm(.tensor(self), .ints(shape), .optional(weight), .optional(bias), .double(epsilon))
    }
    /// `activation(norm(self) + residual)`, the norm by batch; with `training` by the batch's own statistics, and the running
    /// ones are updated in place.
    ///
    /// With `training`, on a CPU in float32 and channels-last, ``conv2d(_:_:stride:padding:dilation:groups:)`` and
    /// ``maxPool2d(_:stride:padding:)`` do not keep what they get straight from here for their gradient: they compute it again
    /// from what the norm keeps. A network of convolution, norm and activation keeps half the maps.
    public func batchNorm(
        _ weight: Tensor?, _ bias: Tensor?, runningMean: Tensor?, runningVariance: Tensor?, training: Bool,
        momentum: Double, epsilon: Double, activation: Activation = .identity, adding residual: Tensor? = nil
    ) -> Tensor {
        Op.batchNorm(
            .tensor(self), .optional(weight), .optional(bias), .optional(runningMean), .optional(runningVariance),
            .bool(training), .double(momentum), .double(epsilon), .double(activation.range.lowerBound),
            .double(activation.range.upperBound), .optional(residual))
    }
    /// Rows of `self` [entries, width] at integer `indices` of any shape.
    public func embedding(_ indices: Tensor) -> Tensor { Op.embedding(.tensor(self), .tensor(indices)) }
    public func dropout(_ probability: Double, training: Bool) -> Tensor {
        guard training, probability > 0 else { return self }
        return Op.dropout(.tensor(self), .double(probability), .bool(true))
    }
    /// Scaled dot-product attention, queries [N, heads, L, width] (`self`), fused where libtorch can.
    public func attention(keys: Tensor, values: Tensor, mask: Tensor? = nil, causal: Bool = false) -> Tensor {
        guard mask != nil || causal else { return Op.attention(.tensor(self), .tensor(keys), .tensor(values)) }
        return Op.maskedAttention(
            .tensor(self), .tensor(keys), .tensor(values), .optional(mask), .double(0), .bool(causal))
    }
    public func maxPool2d(_ kernel: Int, stride: Int, padding: Int = 0) -> Tensor {
        Op.maxPool(.tensor(self), .int(kernel), .int(stride), .int(padding))
    }
    public func averagePool2d(_ kernel: Int, stride: Int) -> Tensor {
        Op.avgPool(.tensor(self), .ints([kernel, kernel]), .ints([stride, stride]))
    }
    /// Mean over height and width: [N, C, H, W] → [N, C, 1, 1].
    public func globalAveragePool2d() -> Tensor { Op.adaptiveAvgPool(.tensor(self), .ints([1, 1])) }
    public func upsampledNearest(_ height: Int, _ width: Int) -> Tensor {
        Op.nearest(.tensor(self), .ints([height, width]))
    }
    /// Bilinear resize without aligned corners; `antialias` as in Pillow.
    public func resizedBilinear(_ height: Int, _ width: Int, antialias: Bool = false) -> Tensor {
        (antialias ? Op.bilinearAA : Op.bilinear)(.tensor(self), .ints([height, width]), .bool(false))
    }
    /// Bicubic resize with antialiasing, without aligned corners.
    public func resizedBicubic(_ height: Int, _ width: Int) -> Tensor {
        Op.bicubicAA(.tensor(self), .ints([height, width]), .bool(false))
    }

    // Fourier transforms over the last two dimensions
    public func rfft2() -> Tensor { Op.rfft2(.tensor(self)) }
    public func irfft2(_ height: Int, _ width: Int) -> Tensor { Op.irfft2(.tensor(self), .ints([height, width])) }
    public func fft2() -> Tensor { Op.fft2(.tensor(self)) }
    public func ifft2() -> Tensor { Op.ifft2(.tensor(self)) }
    /// Phase of complex numbers in radians.
    public func angle() -> Tensor { Op.angle(.tensor(self)) }
    public func realPart() -> Tensor { Op.real(.tensor(self)) }
    /// Complex numbers of this magnitude and the given phase.
    public func polar(phase: Tensor) -> Tensor { Op.polar(.tensor(self), .tensor(phase)) }
}
