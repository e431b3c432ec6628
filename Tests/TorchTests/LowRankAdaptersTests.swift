import Testing
import Torch

@Suite struct LowRankAdaptersTests {
    private func model() -> (ParameterStore, [Linear]) {
        let store = ParameterStore(seed: 1)
        let scope = store.root / "block"
        let layers = [
            Linear(scope / "to_q", in: 6, out: 4, bias: false), Linear(scope / "to_out" / 0, in: 4, out: 6),
            Linear(scope / "not_to_q", in: 6, out: 4),
        ]
        _ = Conv2d(scope / "conv" / "to_q", in: 6, out: 4, kernel: 1)
        return (store, layers)
    }

    @Test func layersAreFoundByTheEndsOfTheirNames() {
        let (store, _) = model()
        let adapters = LowRankAdapters(of: store, layers: ["to_q", "to_out.0"], rank: 2, alpha: 3, seed: 0)
        #expect(adapters.layers.map(\.name) == ["block.to_q", "block.to_out.0"])
        #expect(
            adapters.store.entries.map(\.name) == [
                "block.to_q.lora_A.weight", "block.to_q.lora_B.weight", "block.to_out.0.lora_A.weight",
                "block.to_out.0.lora_B.weight",
            ])
        #expect(adapters.layers.map(\.down.shape) == [[2, 6], [2, 4]])
        #expect(adapters.layers.map(\.up.shape) == [[4, 2], [6, 2]])
        #expect(store.entries.count == 7)
    }

    @Test func newOnesChangeNothingAndAreDrawnFromTheirDistribution() {
        let store = ParameterStore(seed: 1)
        let layer = Linear(store.root / "to_q", in: 2000, out: 8)
        let x = Tensor.randn([3, 2000], generator: Generator(seed: 2))
        let before: [Float] = layer(x).scalars()
        let adapters = LowRankAdapters(of: store, layers: ["to_q"], rank: 4, alpha: 4, seed: 0)
        store.adapters = adapters
        #expect(layer(x).scalars() == before)
        // Deviation 1/r, of 8000 numbers.
        let deviation = adapters.layers[0].down.squared().mean().sqrt().item()
        #expect(abs(deviation - 0.25) < 0.01)
    }

    @Test func outputAndGradientAreThoseOfTheProduct() throws {
        let (store, layers) = model()
        let adapters = LowRankAdapters(of: store, layers: ["to_q", "to_out.0"], rank: 2, alpha: 3, seed: 0)
        noGrad {
            for layer in adapters.layers { layer.up.normal_(mean: 0, deviation: 1, generator: Generator(seed: 3)) }
        }
        adapters.store.setRequiresGrad(true)
        store.adapters = adapters
        let x = Tensor.randn([5, 6], generator: Generator(seed: 2))
        let plain = x.matmul(layers[0].weight.transposed(0, 1))
        let layer = adapters.layers[0]
        let expected = plain + 1.5 * x.matmul(layer.down.transposed(0, 1)).matmul(layer.up.transposed(0, 1))
        #expect((layers[0](x) - expected).abs().max().item() < 1e-6)
        #expect(layers[2](x).requiresGrad == false)
        layers[1](layers[0](x)).sum().backward()
        #expect(adapters.store.parameters.allSatisfy { ($0.grad?.abs().sum().item() ?? 0) > 0 })
        #expect(layers[0].weight.grad == nil)
        store.adapters = nil
        #expect((layers[0](x) - plain).abs().max().item() < 1e-6)
    }

    @Test func theyFollowANarrowerModel() {
        var checkpoint = StateDict()
        checkpoint["to_q.weight"] = Tensor.randn([4, 6], generator: Generator(seed: 1))
        let store = ParameterStore(checkpoint, name: "test", dtype: .bfloat16)
        let layer = Linear(store.root / "to_q", in: 6, out: 4, bias: false)
        let adapters = LowRankAdapters(of: store, layers: ["to_q"], rank: 2, alpha: 2, seed: 0)
        store.adapters = adapters
        adapters.store.setRequiresGrad(true)
        let y = layer(Tensor.ones([1, 6]).to(dtype: .bfloat16))
        #expect(y.dtype == .bfloat16)
        y.sum().backward()
        #expect(adapters.layers[0].up.grad?.dtype == .float32)
        #expect(adapters.layers[0].up.dtype == .float32)
    }
}
