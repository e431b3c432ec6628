import Foundation
import TestSupport
import Testing
import Torch

/// Layers of stores with `packsWeights` against the same without.
@Suite struct PackedWeightTests {
    private let x = Tensor.randn([2, 8, 6, 5], generator: Generator(seed: 1))

    /// Largest difference as a part of the largest value.
    private func difference(_ a: Tensor, _ b: Tensor) -> Double {
        guard a.shape == b.shape else { return .infinity }
        return (a - b).abs().max().item() / b.abs().max().item()
    }

    /// The result of the third call, for which a weight was kept; equal to those before to the bit.
    private func kept(_ layer: (Tensor) -> Tensor, _ x: Tensor) -> Tensor {
        inferenceMode {
            let calls = (0..<3).map { _ in layer(x) }
            for earlier in calls[..<2] { #expect(earlier.scalars(Float.self) == calls[2].scalars()) }
            return calls[2]
        }
    }

    @Test(arguments: [(kernel: 3, stride: 1, groups: 1), (3, 2, 1), (1, 1, 1), (3, 1, 8), (3, 1, 2)])
    func convolutions(kernel: Int, stride: Int, groups: Int) {
        func output(packs: Bool, _ x: Tensor) -> Tensor {
            let store = ParameterStore(seed: 3)
            store.packsWeights = packs
            let layer = Conv2d(
                store.root, in: 8, out: 16, kernel: kernel, stride: stride, padding: kernel / 2, groups: groups)
            return kept({ layer($0) }, x)
        }
        for x in [x, x.contiguous(.channelsLast)] {
            #expect(difference(output(packs: true, x), output(packs: false, x)) < 1e-6)
        }
    }

    @Test(arguments: [[2, 7, 30], [1, 30], [30], [3, 2, 2, 30]])
    func linear(shape: [Int]) {
        let x = Tensor.randn(shape, generator: Generator(seed: 1))
        func output(packs: Bool) -> Tensor {
            let store = ParameterStore(seed: 3)
            store.packsWeights = packs
            let layer = Linear(store.root, in: 30, out: 5)
            return kept({ layer($0) }, x)
        }
        #expect(difference(output(packs: true), output(packs: false)) < 1e-6)
    }

    /// Layers as large as a U-Net's, for which libtorch's plain operators round differently: the first call is as the others.
    @Test func largeLayersRoundAlikeInEveryCall() {
        let store = ParameterStore(seed: 3)
        store.packsWeights = true
        let linear = Linear(store.root / "linear", in: 320, out: 320)
        let convolution = Conv2d(store.root / "convolution", in: 320, out: 640, kernel: 1)
        _ = kept({ linear($0) }, Tensor.randn([256, 320], generator: Generator(seed: 1)))
        _ = kept({ convolution($0) }, Tensor.randn([4, 320, 8, 8], generator: Generator(seed: 2)))
    }

    /// In bfloat16 against float64 on the same rounded numbers: a result is rounded to 8 bits.
    @Test func bfloat16() {
        func layers(_ dtype: DType) -> (Conv2d, Linear) {
            let drawn = ParameterStore(seed: 3)
            _ = (
                Conv2d(drawn.root / "a", in: 8, out: 16, kernel: 3, padding: 1), Linear(drawn.root / "b", in: 8, out: 6)
            )
            var rounded = StateDict()
            for entry in drawn.entries { rounded[entry.name] = entry.tensor.to(dtype: .bfloat16) }
            let store = ParameterStore(rounded, name: "rounded", dtype: dtype)
            store.packsWeights = true
            return (
                Conv2d(store.root / "a", in: 8, out: 16, kernel: 3, padding: 1), Linear(store.root / "b", in: 8, out: 6)
            )
        }
        let (found, exact) = (layers(.bfloat16), layers(.float64))
        let input = x.to(dtype: .bfloat16)
        let tokens = Tensor.randn([2, 77, 8], generator: Generator(seed: 2)).to(dtype: .bfloat16)
        for (one, other, x) in [
            ({ found.0($0) }, { exact.0($0) }, input), ({ found.1($0) }, { exact.1($0) }, tokens),
        ] as [((Tensor) -> Tensor, (Tensor) -> Tensor, Tensor)] {
            let y = kept(one, x)
            #expect(y.dtype == .bfloat16)
            #expect(difference(y.to(dtype: .float64), noGrad { other(x.to(dtype: .float64)) }) < 1.0 / 256)
        }
    }

    @Test func processorIsAskedForBFloat16() throws {
        let flags = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
        #expect(Machine.hasBFloat16 == flags.contains(" avx512_bf16"))
    }

    /// A weight that changes is packed anew, in whatever way it changed.
    @Test func changesAreSeen() {
        let store = ParameterStore(seed: 3)
        store.packsWeights = true
        let layer = Conv2d(store.root, in: 8, out: 8, kernel: 3, padding: 1, bias: false)
        let before = kept({ layer($0) }, x)
        noGrad { layer.weight.mul_(2) }
        #expect(difference(inferenceMode { layer(x) }, before * 2) < 1e-6)
        #expect(difference(kept({ layer($0) }, x), before * 2) < 1e-6)
        store.replace("weight", with: layer.weight * 2)
        #expect(difference(kept({ layer($0) }, x), before * 4) < 1e-6)
        // Another shape of inputs, and the first one again.
        let wide = Tensor.concatenated([x, x], dimension: 0)
        #expect(
            difference(kept({ layer($0) }, wide), Tensor.concatenated([before, before], dimension: 0) * 4) < 1e-6)
        #expect(difference(kept({ layer($0) }, x), before * 4) < 1e-6)
    }

    /// With gradients on, the plain operators are called.
    @Test func gradientsFlow() {
        let store = ParameterStore(seed: 3)
        store.packsWeights = true
        let layer = Linear(store.root, in: 8, out: 3)
        let x = Tensor.randn([4, 8], generator: Generator(seed: 1))
        _ = kept({ layer($0) }, x)
        x.requiresGrad = true
        let gradient = gradients(of: [layer(x).sum()], with: [x])[0]
        #expect(gradient.map { difference($0, layer.weight.sum([0]).expanded([4, 8])) } ?? 1 < 1e-6)
    }

    /// Pages of a mapped file that were given back are read again; what was changed in place stays.
    @Test func mappedWeights() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model.safetensors")
        var state = StateDict()
        // Several pages each.
        state["a.weight"] = Tensor.randn([64, 100], generator: Generator(seed: 4))
        state["b.weight"] = Tensor.randn([64, 100], generator: Generator(seed: 5))
        try state.write(safetensors: path)
        let store = ParameterStore(try StateDict(safetensors: path), name: path)
        store.packsWeights = true
        let layers = ["a", "b"].map { Linear(store.root / $0, in: 100, out: 64, bias: false) }
        noGrad { layers[1].weight.add_(1) }
        let x = Tensor.randn([3, 100], generator: Generator(seed: 6))
        for layer in layers { _ = kept({ layer($0) }, x) }
        #expect(try layers[0].weight.scalars(Float.self) == #require(state["a.weight"]).scalars())
        #expect(try layers[1].weight.scalars(Float.self) == (#require(state["b.weight"]) + 1).scalars())
    }
}
