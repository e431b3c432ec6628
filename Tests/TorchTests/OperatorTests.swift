import Testing
import Torch

/// Operators against PyTorch's values, from scripts/fixtures/binding.py.
@Suite struct OperatorTests {
    private let inputs = BindingInputs()

    @Test func math() throws {
        let (a, b, row, volume, positive) = (inputs.a, inputs.b, inputs.row, inputs.volume, inputs.positive)
        func inPlace(_ change: (Tensor) -> Void) -> Tensor {
            let x = a.cloned()
            change(x)
            return x
        }
        let binary: [String: () -> Tensor] = [
            "add": { a + row }, "addScalar": { a + 1.5 }, "scalarAdd": { 1.5 + a }, "sub": { a - row },
            "subScalar": { a - 1.5 }, "scalarSub": { 1.5 - a }, "mul": { a * row }, "mulScalar": { a * 1.5 },
            "scalarMul": { 1.5 * a }, "div": { a / row }, "divScalar": { a / 1.5 }, "scalarDiv": { 1.5 / a },
            "matmul": { a.matmul(b.transposed(0, 1)) }, "batchedMatmul": { volume.matmul(b.transposed(0, 1)) },
            "lerp": { a.lerp(to: b, weight: row) }, "minimum": { .minimum(a, b) }, "maximum": { .maximum(a, b) },
            "equal": { a.rounded().equal(b.rounded()) }, "equalScalar": { a.rounded().equal(0) },
            "less": { a.less(than: 0.2) }, "greater": { a.greater(than: 0.2) }, "atLeast": { a.rounded().atLeast(0) },
            "atMost": { a.rounded().atMost(0) }, "where": { a.where(a.greater(than: 0), else: b) },
        ]
        let unary: [String: () -> Tensor] = [
            "neg": { -a }, "exp": { a.exp() }, "log": { positive.log() }, "sqrt": { positive.sqrt() },
            "rsqrt": { positive.rsqrt() }, "abs": { a.abs() }, "sin": { a.sin() }, "cos": { a.cos() },
            "tanh": { a.tanh() }, "sigmoid": { a.sigmoid() }, "sign": { a.sign() }, "rounded": { a.rounded() },
            "pow": { positive.pow(2.5) }, "squared": { a.squared() }, "clamp": { a.clamp(min: -0.5, max: 0.5) },
            "clampMin": { a.clamp(min: 0.1) }, "clampMax": { a.clamp(max: 0.1) }, "relu": { a.relu() },
            "relu6": { (a * 10).relu6() }, "silu": { a.silu() }, "gelu": { a.gelu() },
            "softplus": { a.softplus() },
            "geluTanh": { a.gelu(tanh: true) }, "quickGELU": { a.quickGELU() }, "softmax": { a.softmax(0) },
            "logSoftmax": { a.logSoftmax(1) }, "isFinite": { (a / a.relu()).isFinite() },
        ]
        let mutating: [String: () -> Tensor] = [
            "add_": { inPlace { $0.add_(b, alpha: 0.5) } }, "mul_": { inPlace { $0.mul_(3) } },
            "copy_": { inPlace { $0.copy_(row) } }, "zero_": { inPlace { $0.zero_() } },
            "fill_": { inPlace { $0.fill_(2.5) } }, "lerp_": { inPlace { $0.lerp_(to: b, weight: 0.25) } },
        ]
        let all = binary.merging(unary) { first, _ in first }.merging(mutating) { first, _ in first }
        try BindingReference.compare("maths", all)
    }

    @Test func shapes() throws {
        let (a, b, row, volume) = (inputs.a, inputs.b, inputs.row, inputs.volume)
        let (labels, indices) = (inputs.labels, inputs.indices)
        let views: [String: () -> Tensor] = [
            "reshaped": { a.reshaped(2, -1) }, "permuted": { volume.permuted(2, 0, 1) },
            "transposed": { volume.transposed(0, 2) }, "unsqueezed": { a.unsqueezed(1) },
            "squeezed": { a.unsqueezed(0).squeezed(0) }, "flattened": { volume.flattened(from: 1) },
            "expanded": { row.expanded([2, 4]) }, "split": { a.split([1, 3], dimension: 1)[1] },
            "chunked": { a.chunked(2, dimension: 1)[1] }, "narrowed": { a.narrowed(1, start: 1, length: 2) },
            "selected": { a.selected(1, 2) }, "sliced": { a.sliced(1, from: 0, to: 4, step: 2) },
            "subscript": { a[1] }, "range": { a[1..<3] },
        ]
        let copies: [String: () -> Tensor] = [
            "repeated": { a.repeated([2, 1]) }, "repeatInterleaved": { a.repeatInterleaved(2, dimension: 1) },
            "concatenated": { .concatenated([a, b], dimension: 1) }, "stacked": { .stacked([a, b], dimension: 1) },
            "indexSelect": { a.indexSelect(0, indices) }, "gathered": { a.gathered(1, indices.unsqueezed(1)) },
            "flipped": { a.flipped(0, 1) }, "rolled": { a.rolled([1, 2], dimensions: [0, 1]) },
            "padded": { a.padded([1, 2, 3, 0]) }, "upperTriangle": { a.upperTriangle(diagonal: 1) },
            "oneHot": { labels.oneHot(4) }, "dtype": { (a * 3).to(dtype: .int32) }, "half": { a.to(dtype: .float16) },
            "contiguous": { a.transposed(0, 1).contiguous() }, "cloned": { a.cloned() },
            "arange": { .arange(0.5, to: 3, step: 0.75) }, "full": { .full([2, 2], 1.5) }, "zeros": { .zeros([2]) },
            "ones": { .ones([2]) }, "zerosLike": { a.zerosLike() }, "onesLike": { a.onesLike() },
        ]
        try BindingReference.compare("shapes", views.merging(copies) { first, _ in first })
    }

    @Test func reductions() throws {
        let (a, b, volume, positive) = (inputs.a, inputs.b, inputs.volume, inputs.positive)
        let (logits, labels) = (inputs.logits, inputs.labels)
        let numbers: [String: () -> Tensor] = [
            "sum": { a.sum() }, "sumDim": { volume.sum([0, 2]) }, "sumKeep": { volume.sum([1], keepDimensions: true) },
            "mean": { a.mean() }, "meanDim": { volume.mean([0, 2]) }, "variance": { volume.variance([1, 2]) },
            "varianceBiased": { volume.variance([0], correction: 0, keepDimensions: true) }, "max": { a.max() },
            "maxDim": { volume.max([1]) }, "min": { a.min() }, "minDim": { volume.min([0, 1], keepDimensions: true) },
            "argmax": { a.argmax(1) }, "argmin": { a.argmin(0) }, "norm": { a.norm() },
            "normDim": { volume.norm([1, 2]) }, "all": { positive.greater(than: 0).all() },
            "quantile": { a.quantile(0.4, dimension: 1) }, "sortedValues": { volume.sorted(1).values },
            "sortedIndices": { volume.sorted(1).indices }, "logSumExp": { a.logSumExp(1) },
        ]
        let losses: [String: () -> Tensor] = [
            "crossEntropy": { crossEntropy(logits, labels) },
            "crossEntropySum": { crossEntropy(logits, labels, reduction: .sum) },
            "crossEntropyEach": { crossEntropy(logits, labels, reduction: .none) },
            "crossEntropySmooth": { crossEntropy(logits, labels, labelSmoothing: 0.1) },
            "crossEntropySoft": { crossEntropy(logits, logits.flipped(0).softmax(1)) },
            "meanSquaredError": { meanSquaredError(a, b) }, "cosineSimilarity": { cosineSimilarity(a, b) },
        ]
        try BindingReference.compare("reductions", numbers.merging(losses) { first, _ in first })
    }

    @Test func networks() throws {
        let (a, images) = (inputs.a, inputs.images)
        let (weight, depthwise, bias) = (randn(7, 6, 4, 3, 3), randn(8, 4, 1, 3, 3), randn(9, 6))
        let (scale, shift) = (randn(10, 4), randn(11, 4))
        let (mean, variance) = (randn(12, 4), randn(13, 4).abs() + 0.5)
        let (newMean, newVariance) = (mean.cloned(), variance.cloned())
        let trained = images.batchNorm(
            scale, shift, runningMean: newMean, runningVariance: newVariance, training: true, momentum: 0.3,
            epsilon: 1e-3)
        let (q, k, v) = (randn(14, 2, 2, 5, 4), randn(15, 2, 2, 7, 4), randn(16, 2, 2, 7, 4))
        let layers: [String: () -> Tensor] = [
            "linear": { a.linear(randn(18, 2, 4), randn(19, 2)) },
            "conv2d": { images.conv2d(weight, bias, stride: 2, padding: 1) },
            "conv2dDilated": { images.conv2d(weight, nil, dilation: 2) },
            "conv2dDepthwise": { images.conv2d(depthwise, nil, padding: 1, groups: 4) },
            "groupNorm": { images.groupNorm(2, scale, shift, epsilon: 1e-6) },
            "layerNorm": { a.layerNorm([4], scale, shift, epsilon: 1e-5) }, "batchNormTraining": { trained },
            "runningMean": { newMean }, "runningVariance": { newVariance },
            "batchNorm": {
                images.batchNorm(
                    scale, shift, runningMean: mean, runningVariance: variance, training: false, momentum: 0.3,
                    epsilon: 1e-3)
            },
            "embedding": { [inputs] in a.embedding(inputs.indices) },
        ]
        let others: [String: () -> Tensor] = [
            "attention": { q.attention(keys: k, values: v) },
            "attentionMask": { q.attention(keys: k, values: v, mask: randn(17, 5, 7)) },
            "attentionCausal": { k.attention(keys: k, values: v, causal: true) },
            "maxPool2d": { images.maxPool2d(3, stride: 2, padding: 1) },
            "averagePool2d": { images.averagePool2d(2, stride: 2) },
            "globalAveragePool2d": { images.globalAveragePool2d() },
            "upsampledNearest": { images.upsampledNearest(9, 8) },
            "resizedBilinear": { images.resizedBilinear(9, 3) },
            "resizedAntialias": { images.resizedBilinear(4, 3, antialias: true) },
        ]
        try BindingReference.compare("networks", layers.merging(others) { first, _ in first }, tolerance: 5e-6)
    }

    @Test func fourier() throws {
        let images = inputs.images
        let transformed = images.fft2()
        let cases: [String: () -> Tensor] = [
            "rfft2Magnitude": { images.rfft2().abs() }, "irfft2": { images.rfft2().irfft2(6, 5) },
            "fft2Real": { transformed.realPart() }, "fft2Phase": { transformed.angle() },
            "ifft2": { transformed.ifft2().realPart() },
            "polar": { transformed.abs().polar(phase: images.flipped(0).fft2().angle()).ifft2().realPart() },
        ]
        try BindingReference.compare("fourier", cases, tolerance: 1e-5)
    }

    @Test(arguments: [DType.float16, .bfloat16, .float32, .float64])
    func numbersTakeTheTypeOfARealTensor(_ dtype: DType) {
        let a = Tensor([1, 2] as [Double]).to(dtype: dtype)
        for result in [a + 0.5, 0.5 + a, a - 0.5, 0.5 - a, a * 0.5, 0.5 * a, a / 0.5, 0.5 / a] {
            #expect(result.dtype == dtype)
        }
        #expect((0.5 - a).scalars(Double.self) == [-0.5, -1.5])
        #expect((a / 0.5).scalars(Double.self) == [2, 4])
    }

    @Test func numbersAreRoundedToTheTensorsType() {
        #expect((Tensor([1] as [Float]) * 0.1).scalars(Float.self) == [0.1])
        #expect((Tensor([1] as [Double]) * 0.1).scalars(Double.self) == [0.1])
    }

    @Test func numbersMakeWholeTensorsReal() {
        let whole = Tensor([1, 2] as [Int])
        for (result, wanted) in [
            (whole + 0.5, [1.5, 2.5]), (whole - 0.5, [0.5, 1.5]), (0.5 - whole, [-0.5, -1.5]),
            (whole * 0.5, [0.5, 1]), (whole / 2, [0.5, 1]), (2 / whole, [2, 1]),
        ] {
            #expect(result.dtype == .float32)
            #expect(result.scalars(Double.self) == wanted)
        }
    }

    @Test func gradientsPassNumbers() {
        let x = Tensor([3] as [Float])
        x.requiresGrad = true
        ((1 - (2 * x * 3 + 1.5)) / 0.5).sum().backward()
        #expect(x.grad?.scalars(Float.self) == [-12])
    }

    @Test func channelsLastChangesTheLayoutOnly() {
        let images = inputs.images
        let last = images.contiguous(.channelsLast)
        #expect(last.shape == images.shape)
        #expect(last.strides == [120, 1, 20, 4])
        #expect(last.scalars(Float.self) == images.scalars(Float.self))
    }

    @Test func autocastComputesProductsInHalfPrecision() {
        let (a, b) = (inputs.a, inputs.b)
        let type = autocast(.cpu, dtype: .bfloat16) { a.matmul(b.transposed(0, 1)).dtype }
        #expect(type == .bfloat16)
        #expect(autocast(.cpu, dtype: nil) { a.matmul(b.transposed(0, 1)).dtype } == .float32)
        #expect(a.matmul(b.transposed(0, 1)).dtype == .float32)
    }
}
