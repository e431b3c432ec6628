import Testing
import Torch

@Suite struct RecomputationTests {
    /// Four layers of 64, with or without keeping what is inside them.
    private struct Network {
        let store = ParameterStore(seed: 1)
        let layers: [(Scope, Linear)]

        init() {
            let root = store.root
            layers = (0..<4).map { (root / $0, Linear(root / $0, in: 64, out: 64)) }
            store.setRequiresGrad(true)
        }

        func callAsFunction(_ x: Tensor, counter: Counter? = nil) -> Tensor {
            layers.reduce(x) { x, layer in
                layer.0.layer(x) { inputs in
                    counter?.calls += 1
                    return (0..<8).reduce(layer.1(inputs[0])) { y, _ in y.silu().exp().tanh() + y }
                }
            }
        }
    }

    private final class Counter { var calls = 0 }

    private func gradients(_ network: Network, _ x: Tensor) -> [[Float]] {
        for parameter in network.store.parameters { parameter.grad = nil }
        network(x).squared().mean().backward()
        return network.store.parameters.map { $0.grad?.scalars() ?? [] } + [x.grad?.scalars() ?? []]
    }

    @Test(arguments: [true, false])
    func gradientsAreTheSameToTheLastBit(inputRequiresGrad: Bool) {
        let network = Network()
        func input() -> Tensor {
            let x = Tensor.randn([16, 64], generator: Generator(seed: 2))
            x.requiresGrad = inputRequiresGrad
            return x
        }
        let expected = gradients(network, input())
        network.store.recomputesLayers = true
        #expect(gradients(network, input()) == expected)
        #expect(expected[0].count == 64 * 64 && expected.last?.isEmpty == !inputRequiresGrad)
    }

    @Test func isAFunctionForGradientsOfIt() throws {
        let network = Network()
        let x = Tensor.randn([16, 64], generator: Generator(seed: 2))
        x.requiresGrad = true
        let weight = network.layers[2].1.weight
        func found() -> [[Float]] {
            Torch.gradients(of: [network(x).sum()], with: [x, weight]).map { $0?.scalars() ?? [] }
        }
        let expected = found()
        network.store.recomputesLayers = true
        #expect(found() == expected)
        #expect(weight.grad == nil)
    }

    @Test func layersRunOnceMoreForTheGradientOnly() {
        let network = Network()
        network.store.recomputesLayers = true
        let x = Tensor.ones([2, 64])
        let counter = Counter()
        noGrad { _ = network(x, counter: counter) }
        #expect(counter.calls == 4)
        let loss = network(x, counter: counter).sum()
        #expect(counter.calls == 8)
        loss.backward()
        #expect(counter.calls == 12)
    }

    @Test func frozenLayersStayOutOfTheGraph() {
        let network = Network()
        network.store.setRequiresGrad(false)
        network.store.recomputesLayers = true
        #expect(!network(.ones([2, 64])).requiresGrad)
    }

    @Test func lessMemoryIsHeld() {
        let network = Network()
        let x = Tensor.randn([512, 64], generator: Generator(seed: 2))
        func peak() -> Int { Machine.peakMemory { _ = gradients(network, x) }.bytes }
        let whole = peak()
        network.store.recomputesLayers = true
        let recomputed = peak()
        // Each of four layers keeps some 25 tensors of 128 KiB; of recomputed ones only one layer does at a time.
        #expect(whole > 80 * 512 * 64 * 4)
        #expect(recomputed < whole / 2, "\(recomputed) of \(whole) bytes")
    }

    @Test func autocastIsTheSameInTheGradient() {
        let network = Network()
        let x = Tensor.randn([16, 64], generator: Generator(seed: 2))
        func found() -> [[Float]] {
            for parameter in network.store.parameters { parameter.grad = nil }
            let loss = autocast(.cpu, dtype: .bfloat16) { network(x).to(dtype: .float32).squared().mean() }
            loss.backward()
            return network.store.parameters.map { $0.grad?.scalars() ?? [] }
        }
        let whole = gradients(network, x).dropLast()
        let expected = found()
        #expect(expected != Array(whole))
        network.store.recomputesLayers = true
        #expect(found() == expected)
        // Nothing stays cast after a change of the weights.
        noGrad { network.layers[0].1.weight.mul_(0.5) }
        let changed = found()
        network.store.recomputesLayers = false
        #expect(found() == changed)
    }

    @Test func failuresAreThrown() throws {
        let network = Network()
        network.store.recomputesLayers = true
        #expect(throws: TorchError.self) { try withTorchErrors { network(.ones([2, 63])).sum().backward() } }
        // One that comes with the gradient.
        var isSecond = false
        let x = Tensor.ones([2, 64])
        x.requiresGrad = true
        let error = try #require(
            throws: TorchError.self
        ) {
            try withTorchErrors {
                let y = recomputed([x], parameters: []) { inputs in
                    defer { isSecond = true }
                    return isSecond ? inputs[0].matmul(inputs[0]) : inputs[0] * 2
                }
                y.sum().backward()
            }
        }
        #expect(error.message.contains("matmul"), "\(error)")
    }

    @Test func peakMemoryIsCounted() {
        let (_, bytes) = Machine.peakMemory {
            for _ in 0..<10 { _ = Tensor.zeros([1000, 1000]) + 1 }
        }
        #expect((8_000_000..<8_100_000).contains(bytes), "\(bytes)")
        #expect(Machine.peakMemory {}.bytes == 0)
    }
}
