import Foundation
import Testing
import Torch

/// Depthwise convolution in float32, whose weight's gradient is our own, against libtorch's in float64.
@Suite struct DepthwiseConvolutionTests {
    struct Case: Sendable {
        let channels: Int
        let size: [Int]
        let kernel: Int
        let stride: Int
        var bias = false
    }

    static let cases = [
        Case(channels: 70, size: [9, 6], kernel: 5, stride: 1), Case(channels: 64, size: [8, 8], kernel: 5, stride: 2),
        Case(channels: 130, size: [2, 2], kernel: 5, stride: 1), Case(channels: 3, size: [4, 4], kernel: 3, stride: 1),
        Case(channels: 5, size: [7, 10], kernel: 7, stride: 1, bias: true),
        // Libtorch's gradient in float32, too.
        Case(channels: 8, size: [12, 12], kernel: 3, stride: 2),
        Case(channels: 4, size: [20, 20], kernel: 9, stride: 1),
    ]

    /// The output and the gradients of input, weight and bias of a loss that differs from element to element.
    private func results(
        _ item: Case, dtype: DType = .float32, layout: MemoryFormat = .channelsLast
    ) -> [Tensor] {
        let generator = Generator(seed: 4)
        func leaf(_ shape: [Int]) -> Tensor {
            let leaf = Tensor.randn(shape, generator: generator).to(dtype: dtype)
            leaf.requiresGrad = true
            return leaf
        }
        let x = leaf([3, item.channels] + item.size)
        let weight = leaf([item.channels, 1, item.kernel, item.kernel])
        let bias = item.bias ? leaf([item.channels]) : nil
        let padding = item.kernel / 2
        let input = x.contiguous(layout)
        let y = input.conv2d(weight, bias, stride: item.stride, padding: padding, groups: item.channels)
        let loss = (y * Tensor.randn(y.shape, generator: generator).to(dtype: dtype)).sum()
        return [y] + gradients(of: [loss], with: [x, weight] + (bias.map { [$0] } ?? [])).compactMap { $0 }
    }

    @Test(arguments: cases) func equalsFloat64(_ item: Case) {
        let exact = results(item, dtype: .float64)
        for layout in [MemoryFormat.channelsLast, .contiguous] {
            let found = results(item, layout: layout)
            #expect(found.count == (item.bias ? 4 : 3) && found.map(\.shape) == exact.map(\.shape))
            for (a, b) in zip(found, exact) {
                #expect((a.to(dtype: .float64) - b).abs().max().item() / b.abs().max().item() < 1e-6)
            }
        }
    }

    @Test func doesNotDependOnThreads() {
        let before = Machine.threads
        defer { Machine.threads = before }
        let all = [1, 2].map { threads in
            Machine.threads = threads
            return results(Self.cases[2])[2].scalars(Float.self)
        }
        #expect(all[0] == all[1])
    }

    /// A gradient's gradient: d/dw of |dL/dx|² + |dL/dw|².
    @Test func canBeDifferentiatedTwice() {
        let item = Self.cases[1]
        func second(_ dtype: DType) -> Tensor {
            let generator = Generator(seed: 5)
            let x = Tensor.randn([2, item.channels] + item.size, generator: generator).to(dtype: dtype)
                .contiguous(.channelsLast)
            let weight = Tensor.randn([item.channels, 1, 5, 5], generator: generator).to(dtype: dtype)
            x.requiresGrad = true
            weight.requiresGrad = true
            let y = x.conv2d(weight, nil, stride: 2, padding: 2, groups: item.channels)
            let first = gradients(of: [(y * y).sum()], with: [x, weight], createGraph: true).compactMap { $0 }
            let norm = first.map { ($0 * $0).sum() }
            return gradients(of: [norm[0] + norm[1]], with: [weight])[0] ?? Tensor(Float.nan)
        }
        let (found, exact) = (second(.float32).to(dtype: .float64), second(.float64))
        #expect((found - exact).abs().max().item() / exact.abs().max().item() < 1e-5)
    }
}
