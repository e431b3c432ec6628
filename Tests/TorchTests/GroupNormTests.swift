import Testing
import Torch

/// Group norm with SiLU: in float32 and channels-last our own, against libtorch's operators in float64.
@Suite struct GroupNormTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var images = 3
        var channels = 24
        var groups = 4
        var side = 7
        var silu = true

        var testDescription: String { "\(images) × \(channels) in \(groups) × \(side)²\(silu ? ", SiLU" : "")" }
    }

    static let cases = [
        Case(), Case(silu: false), Case(images: 1, channels: 320, groups: 32, side: 24), Case(channels: 6, groups: 6),
        Case(images: 70, channels: 5, groups: 1, side: 3),
        Case(images: 2, channels: 16, groups: 8, side: 40, silu: false),
    ]

    private func leaf(_ shape: [Int], seed: UInt64, _ dtype: DType) -> Tensor {
        let tensor = Tensor.randn(shape, generator: Generator(seed: seed)).to(dtype: dtype)
        tensor.requiresGrad = true
        return tensor
    }

    private func error(_ found: Tensor, _ exact: Tensor) -> Double {
        (found.to(dtype: .float64) - exact).abs().max().item() / exact.abs().max().item()
    }

    /// Output and gradients of a convolution behind the norm, which computes its input again.
    private func results(_ test: Case, _ dtype: DType, _ layout: MemoryFormat = .contiguous) throws -> [Tensor] {
        let x = leaf([test.images, test.channels, test.side, test.side], seed: 1, dtype)
        let (weight, bias) = (leaf([test.channels], seed: 2, dtype), leaf([test.channels], seed: 3, dtype))
        let kernel = leaf([8, test.channels, 3, 3], seed: 4, dtype)
        // Far from zero mean, and of different spread from channel to channel.
        let offsets = Tensor.arange(0, to: Double(test.channels)).to(dtype: dtype).reshaped(1, -1, 1, 1)
        let normalised = (x * (offsets * 0.1 + 1) + offsets * 0.3 + 5).contiguous(layout)
            .groupNorm(test.groups, weight * 3, bias, epsilon: 1e-5, silu: test.silu)
        let y = normalised.conv2d(kernel.contiguous(layout), nil, padding: 1)
        let factors = Tensor.randn(y.shape, generator: Generator(seed: 5)).to(dtype: dtype)
        let found = gradients(of: [(y * factors).sum()], with: [x, weight, bias, kernel])
        return try [normalised.detached(), y.detached()] + found.map { try #require($0) }
    }

    /// As exact as libtorch's in float32, but for the last bits of SiLU.
    @Test(arguments: cases) func equalsLibtorchInFloat64(_ test: Case) throws {
        let (found, exact) = try (results(test, .float32, .channelsLast), results(test, .float64))
        let theirs = try results(test, .float32)
        #expect(found.map(\.shape) == exact.map(\.shape))
        for index in found.indices {
            let limit = max(2e-6, error(theirs[index], exact[index]))
            #expect(
                error(found[index], exact[index]) <= limit,
                "result \(index), theirs \(error(theirs[index], exact[index]))")
        }
    }

    @Test func doesNotDependOnThreads() throws {
        let before = Machine.threads
        defer { Machine.threads = before }
        for test in Self.cases[2...3] {
            let all = try [1, 2].map { threads in
                Machine.threads = threads
                return try results(test, .float32, .channelsLast)[0].scalars(Float.self)
            }
            let isSame = all[0] == all[1]
            #expect(isSame)
        }
    }

    /// A gradient's gradient: d/dw of |dL/dx|² + |dL/dk|².
    @Test(arguments: [true, false]) func canBeDifferentiatedTwice(silu: Bool) throws {
        func second(_ dtype: DType, _ layout: MemoryFormat) throws -> [Tensor] {
            let x = leaf([2, 8, 5, 5], seed: 1, dtype)
            let (weight, bias) = (leaf([8], seed: 2, dtype), leaf([8], seed: 3, dtype))
            let kernel = leaf([4, 8, 3, 3], seed: 4, dtype)
            let y = x.contiguous(layout).groupNorm(2, weight, bias, epsilon: 1e-5, silu: silu)
                .conv2d(kernel, nil, padding: 1)
            let first = try gradients(of: [(y * y).sum()], with: [x, kernel], createGraph: true).map {
                try #require($0)
            }
            let norm = (first[0] * first[0]).sum() + (first[1] * first[1]).sum()
            return try gradients(of: [norm], with: [x, weight, bias, kernel]).map { try #require($0) }
        }
        let (found, exact) = try (second(.float32, .channelsLast), second(.float64, .contiguous))
        for (a, b) in zip(found, exact) { #expect(error(a, b) < 1e-4) }
    }

    /// SiLU where its exponential leaves the range of float32.
    @Test func extremesAndNotANumber() {
        let values: [Float] = [-1000, -90, -20, -1, 0, 1, 20, 90, 1000, .nan]
        // Scale 0: the norm gives the bias alone.
        let x = Tensor.ones([1, values.count, 1, 2]).contiguous(.channelsLast)
        let y = x.groupNorm(
            values.count, .zeros([values.count]), Tensor(values), epsilon: 1e-5, silu: true)[0].narrowed(
                2, start: 0, length: 1)
        let exact = Tensor(values).to(dtype: .float64).silu().scalars(Double.self)
        for (found, exact) in zip(y.scalars(Double.self), exact) {
            #expect(exact.isNaN ? found.isNaN : abs(found - exact) <= 2e-7 * max(1e-6, abs(exact)))
        }
    }
}
