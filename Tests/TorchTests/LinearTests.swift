import Testing
import Torch

/// Linear layers, however they are computed, against float64.
struct LinearTests {
    static let shapes = [
        [4, 48, 24], [2, 64, 3], [128, 1, 16], [1, 304, 24], [2, 10, 24], [320, 24], [2, 3, 40, 24], [3, 50, 24], [24],
    ]

    private static func random(_ shape: [Int], _ seed: UInt64) -> Tensor {
        Tensor.randn(shape, generator: Generator(seed: seed))
    }

    /// Output and gradients in the input, the weight and the bias.
    private func run(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ dtype: DType) throws -> [Tensor] {
        let leaves = ([x, weight] + [bias].compactMap { $0 }).map { leaf in
            let leaf = leaf.to(dtype: dtype).cloned()
            leaf.requiresGrad = true
            return leaf
        }
        let y = leaves[0].linear(leaves[1], leaves.count > 2 ? leaves[2] : nil)
        let loss = (y * Self.random(y.shape, 4).to(dtype: dtype)).sum()
        return try [y.detached()] + gradients(of: [loss], with: leaves).map { try #require($0) }
    }

    /// Batches that are convolved where that is faster, and such as never are.
    @Test(arguments: shapes, [true, false])
    func equalsFloat64(_ shape: [Int], hasBias: Bool) throws {
        let x = Self.random(shape, 1)
        let weight = Self.random([20, x.size(-1)], 2)
        let bias = hasBias ? Self.random([20], 3) : nil
        let (found, expected) = (try run(x, weight, bias, .float32), try run(x, weight, bias, .float64))
        for (a, b) in zip(found, expected) {
            #expect(a.shape == b.shape)
            #expect((a.to(dtype: .float64) - b).abs().max().item() < 1e-5 * b.abs().max().item())
        }
    }

    /// An input that is not contiguous, such as a head's tokens.
    @Test func takesAView() throws {
        let whole = Self.random([24, 64, 4], 1)
        let weight = Self.random([20, 24], 2)
        let view = whole.permuted(2, 1, 0)
        let expected = view.to(dtype: .float64).linear(weight.to(dtype: .float64), nil)
        let found = view.linear(weight, nil)
        #expect(found.isContiguous)
        #expect((found.to(dtype: .float64) - expected).abs().max().item() < 1e-5 * expected.abs().max().item())
    }

    @Test func refusesAWrongWidth() throws {
        #expect(throws: TorchError.self) {
            try withTorchErrors { _ = Self.random([4, 48, 24], 1).linear(Self.random([20, 25], 2), nil) }
        }
    }
}
