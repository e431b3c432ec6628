import Foundation
import Testing
import Torch

/// Attention against the softmax written out in float64.
@Suite struct AttentionTests {
    private struct Inputs {
        let queries, keys, values: Tensor

        /// Heads cut out of tokens [N, L, heads · width], as layers do.
        init(images: Int = 2, heads: Int = 3, length: Int, keys: Int, width: Int, dtype: DType = .float32) {
            let generator = Generator(seed: 1)
            func tokens(_ count: Int) -> Tensor {
                Tensor.randn([images, count, heads * width], generator: generator)
                    .reshaped(images, count, heads, width).transposed(1, 2)
            }
            queries = (tokens(length) * 2).to(dtype: dtype)
            self.keys = (tokens(keys) * 2).to(dtype: dtype)
            values = tokens(keys).to(dtype: dtype)
        }

        var attention: Tensor { queries.attention(keys: keys, values: values) }

        func written(_ type: DType = .float64) -> Tensor {
            let (q, k, v) = (queries.to(dtype: type), keys.to(dtype: type), values.to(dtype: type))
            let scores = q.matmul(k.transposed(2, 3)) / Double(q.size(3)).squareRoot()
            return scores.softmax(3).matmul(v)
        }
    }

    /// Widths and lengths that fill vectors, tiles and blocks and that do not; several blocks of keys.
    @Test(arguments: [
        (length: 1, keys: 1, width: 1), (7, 77, 40), (64, 64, 64), (100, 300, 80), (48, 256, 160), (49, 257, 17),
        (5, 1000, 96), (256, 256, 8), (3, 70, 130),
    ])
    func equalsTheFormula(length: Int, keys: Int, width: Int) {
        let inputs = Inputs(length: length, keys: keys, width: width)
        let (found, wanted) = (noGrad { inputs.attention }, inputs.written())
        #expect(found.shape == wanted.shape)
        // Where the processor has no AVX-512, the operator is libtorch's own: as exact as the formula in float32 is enough.
        func error(_ value: Tensor) -> Double { (value.to(dtype: .float64) - wanted).abs().max().item() }
        let written = error(inputs.written(.float32))
        #expect(error(found) < max(2e-6 * wanted.abs().max().item(), 1.5 * written))
    }

    /// Of rounded inputs: weights and results are rounded to 8 bits again, a half of 2⁻⁸ each.
    @Test(arguments: [
        (length: 1, keys: 1, width: 2), (7, 77, 40), (64, 64, 64), (100, 300, 80), (48, 256, 160), (49, 257, 18),
        (5, 1001, 96), (3, 70, 130), (9, 30, 17),
    ])
    func bfloat16EqualsTheFormula(length: Int, keys: Int, width: Int) {
        let inputs = Inputs(length: length, keys: keys, width: width, dtype: .bfloat16)
        let (found, wanted) = (noGrad { inputs.attention }, inputs.written())
        #expect(found.shape == wanted.shape && found.dtype == .bfloat16)
        let error = (found.to(dtype: .float64) - wanted).abs().max().item()
        #expect(error < wanted.abs().max().item() / 256)
    }

    @Test(arguments: [DType.float32, .bfloat16]) func threadsDoNotChangeIt(_ dtype: DType) {
        let inputs = Inputs(length: 130, keys: 90, width: 40, dtype: dtype)
        let threads = Machine.threads
        defer { Machine.threads = threads }
        let results = [1, 2, 3].map { count in
            Machine.threads = count
            return noGrad { inputs.attention }.scalars(Float.self)
        }
        #expect(results[0] == results[1] && results[0] == results[2])
    }

    /// Scores that would overflow an exponential; a NaN stays in its row and its head.
    @Test(arguments: [DType.float32, .bfloat16]) func extremes(_ dtype: DType) {
        let inputs = Inputs(images: 1, heads: 2, length: 60, keys: 300, width: 16, dtype: dtype)
        let sharp = noGrad { (inputs.queries * 1000).attention(keys: inputs.keys, values: inputs.values) }
        #expect(sharp.isFinite().all().item() == 1)
        noGrad { inputs.queries.selected(1, 0).selected(1, 50).fill_(.nan) }
        let damaged = noGrad { inputs.attention }.isFinite().to(dtype: .float32)
        #expect(damaged.sum().item() == Double(2 * 60 * 16 - 16))
        #expect(damaged.selected(1, 0).selected(1, 50).sum().item() == 0)
    }

    /// The scores of 2048 queries and keys take 17 MB a head.
    @Test func memoryIsBounded() {
        let inputs = Inputs(images: 1, heads: 4, length: 2048, keys: 2048, width: 32)
        #expect(Machine.peakMemory { _ = noGrad { inputs.attention } }.bytes < 8_000_000)
    }

    @Test func gradients() {
        let inputs = Inputs(length: 30, keys: 20, width: 8)
        let all = [inputs.queries, inputs.keys, inputs.values].map { $0.detached() }
        for tensor in all { tensor.requiresGrad = true }
        let found = Torch.gradients(of: [all[0].attention(keys: all[1], values: all[2]).squared().sum()], with: all)
        let scores = all[0].matmul(all[1].transposed(2, 3)) / 8.0.squareRoot()
        let wanted = Torch.gradients(of: [scores.softmax(3).matmul(all[2]).squared().sum()], with: all)
        for (one, other) in zip(found, wanted) {
            guard let one, let other else {
                Issue.record("no gradient")
                continue
            }
            #expect((one - other).abs().max().item() < 1e-5 * other.abs().max().item())
        }
    }
}
