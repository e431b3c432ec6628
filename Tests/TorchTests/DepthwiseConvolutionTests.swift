import Foundation
import Testing
import Torch

/// Depthwise convolution against libtorch's convolution with as many groups as channels.
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
        // Libtorch's own gradient.
        Case(channels: 8, size: [12, 12], kernel: 3, stride: 2), Case(channels: 4, size: [20, 20], kernel: 9, stride: 1),
    ]

    /// The output and the gradients of input, weight and bias of a loss that differs from element to element.
    private func results(
        _ item: Case, own: Bool, dtype: DType = .float32, layout: MemoryFormat = .channelsLast
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
        let y =
            own
            ? input.depthwiseConv2d(weight, bias, stride: item.stride, padding: padding)
            : input.conv2d(weight, bias, stride: item.stride, padding: padding, groups: item.channels)
        let loss = (y * Tensor.randn(y.shape, generator: generator).to(dtype: dtype)).sum()
        return [y] + gradients(of: [loss], with: [x, weight] + (bias.map { [$0] } ?? [])).compactMap { $0 }
    }

    @Test(arguments: cases) func equalsGroupedConvolution(_ item: Case) {
        let exact = results(item, own: false, dtype: .float64)
        for layout in [MemoryFormat.channelsLast, .contiguous] {
            let found = results(item, own: true, layout: layout)
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
            return results(Self.cases[2], own: true)[2].scalars(Float.self)
        }
        #expect(all[0] == all[1])
    }

    /// A gradient's gradient: d/dw of |dL/dx|² and |dL/dw|².
    @Test func canBeDifferentiatedTwice() {
        let item = Self.cases[1]
        func second(own: Bool) -> Tensor {
            let generator = Generator(seed: 5)
            let x = Tensor.randn([2, item.channels] + item.size, generator: generator).contiguous(.channelsLast)
            let weight = Tensor.randn([item.channels, 1, 5, 5], generator: generator)
            x.requiresGrad = true
            weight.requiresGrad = true
            let y =
                own
                ? x.depthwiseConv2d(weight, nil, stride: 2, padding: 2)
                : x.conv2d(weight, nil, stride: 2, padding: 2, groups: item.channels)
            let first = gradients(of: [(y * y).sum()], with: [x, weight], createGraph: true).compactMap { $0 }
            let norm = first.map { ($0 * $0).sum() }.reduce(Tensor(Float(0))) { $0 + $1 }
            return gradients(of: [norm], with: [weight])[0] ?? Tensor(Float.nan)
        }
        let (own, reference) = (second(own: true), second(own: false))
        #expect((own - reference).abs().max().item() / reference.abs().max().item() < 1e-5)
    }
}
