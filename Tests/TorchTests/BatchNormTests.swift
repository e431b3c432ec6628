import Foundation
import Testing

@testable import Torch

/// Batch norm in training with activation and residual: in float32 and channels-last our own, against libtorch's operators in
/// float64.
@Suite struct BatchNormTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var channels = 24
        var side = 7
        var activation = Activation.relu
        var hasResidual = false

        var testDescription: String {
            "\(channels) × \(side)², \(activation)\(hasResidual ? " and residual" : "")"
        }
    }

    static let cases = [
        Case(), Case(channels: 70, activation: .relu6), Case(channels: 3, side: 40, activation: .identity),
        Case(channels: 64, side: 1), Case(hasResidual: true), Case(activation: .relu6, hasResidual: true),
        Case(channels: 5, side: 33, activation: .identity, hasResidual: true),
    ]

    /// A network of three convolutions and norms with all that can follow: pooling, a depthwise convolution, a residual that is
    /// kept and one that is not.
    private struct Network {
        let store: ParameterStore
        let layers: [(convolution: Conv2d, norm: BatchNorm2d)]

        init(_ dtype: DType) {
            let store = ParameterStore(seed: 1, dtype: dtype)
            self.store = store
            layers = (0..<5).map { index in
                let scope = store.root / index
                return (
                    Conv2d(
                        scope, in: index == 0 ? 3 : 16, out: 16, kernel: index == 4 ? 5 : 3,
                        padding: index == 4 ? 2 : 1,
                        groups: index == 4 ? 16 : 1, bias: index == 2),
                    BatchNorm2d(scope / "norm", channels: 16)
                )
            }
            // The same values in both types.
            let generator = Generator(seed: 2)
            for entry in store.entries where entry.isParameter {
                entry.tensor.detached().copy_(Tensor.randn(entry.tensor.shape, generator: generator) * 0.3 + 0.1)
            }
            store.isTraining = true
            store.setRequiresGrad(true)
        }

        func callAsFunction(_ images: Tensor) -> Tensor {
            func norm(_ index: Int, _ x: Tensor, _ activation: Activation, adding residual: Tensor? = nil) -> Tensor {
                layers[index].norm(layers[index].convolution(x), activation, adding: residual)
            }
            let stem = norm(0, images, .relu).maxPool2d(3, stride: 2, padding: 1)
            let first = norm(1, stem, .relu, adding: stem)
            let second = norm(2, first, .relu6, adding: first)
            let third = norm(3, second, .relu, adding: norm(3, second, .identity))
            return norm(4, third, .relu6)
        }
    }

    private func leaf(_ shape: [Int], seed: UInt64, _ dtype: DType) -> Tensor {
        let tensor = Tensor.randn(shape, generator: Generator(seed: seed)).to(dtype: dtype)
        tensor.requiresGrad = true
        return tensor
    }

    private func relativeError(_ found: Tensor, _ exact: Tensor) -> Double {
        (found.to(dtype: .float64) - exact).abs().max().item() / max(exact.abs().max().item(), 1e-30)
    }

    /// Output, running statistics and gradients of a case.
    private func results(_ test: Case, _ dtype: DType, _ layout: MemoryFormat = .contiguous) throws -> [Tensor] {
        let shape = [6, test.channels, test.side, test.side]
        let x = leaf(shape, seed: 1, dtype)
        let weight = leaf([test.channels], seed: 2, dtype)
        let bias = leaf([test.channels], seed: 3, dtype)
        let residual = test.hasResidual ? leaf(shape, seed: 4, dtype) : nil
        let mean = Tensor.zeros([test.channels], dtype: dtype)
        let variance = Tensor.ones([test.channels], dtype: dtype)
        // Far from zero mean, and to numbers above 6.
        let input = (x * 3 + 5).contiguous(layout)
        let y = input.batchNorm(
            weight * 4, bias, runningMean: mean, runningVariance: variance, training: true, momentum: 0.2,
            epsilon: 1e-3,
            activation: test.activation, adding: residual?.contiguous(layout))
        let factors = Tensor.randn(shape, generator: Generator(seed: 5)).to(dtype: dtype)
        let found = gradients(of: [(y * factors).sum()], with: [x, weight, bias] + (residual.map { [$0] } ?? []))
        return try [y.detached(), mean, variance] + found.map { try #require($0) }
    }

    /// As exact as libtorch's in float32.
    @Test(arguments: cases) func equalsLibtorchInFloat64(_ test: Case) throws {
        let (found, exact) = try (results(test, .float32, .channelsLast), results(test, .float64))
        let theirs = try results(test, .float32)
        #expect(found.count == (test.hasResidual ? 7 : 6) && found.map(\.shape) == exact.map(\.shape))
        for index in found.indices {
            let limit = max(1e-6, relativeError(theirs[index], exact[index]))
            #expect(relativeError(found[index], exact[index]) <= limit, "result \(index)")
        }
    }

    /// Layers that compute their inputs again from what the norm keeps.
    @Test func networksOfItEqualFloat64() throws {
        func results(_ dtype: DType) throws -> [Tensor] {
            let network = Network(dtype)
            let images = leaf([4, 3, 12, 12], seed: 6, dtype)
            let y = network(dtype == .float32 ? images.contiguous(.channelsLast) : images)
            let factors = Tensor.randn(y.shape, generator: Generator(seed: 7)).to(dtype: dtype)
            let found = gradients(of: [(y * factors).sum()], with: [images] + network.store.parameters)
            return try [y.detached()] + found.map { try #require($0) }
        }
        for (index, pair) in try zip(results(.float32), results(.float64)).enumerated() {
            // The norm takes a bias out again: its gradient is nothing but rounding.
            let scale = max(1, pair.1.abs().max().item())
            #expect((pair.0.to(dtype: .float64) - pair.1).abs().max().item() < 1e-5 * scale, "result \(index)")
        }
    }

    @Test func doesNotDependOnThreads() throws {
        let before = Machine.threads
        defer { Machine.threads = before }
        let all = try [1, 2].map { threads in
            Machine.threads = threads
            return try results(Self.cases[6], .float32, .channelsLast).map { $0.scalars(Float.self) }
        }
        let isSame = all[0] == all[1]
        #expect(isSame)
    }

    /// A gradient's gradient, through convolutions that compute their inputs again: d/dw of |dL/dx|².
    @Test func canBeDifferentiatedTwice() throws {
        func second(_ dtype: DType) throws -> [Tensor] {
            let network = Network(dtype)
            let images = leaf([4, 3, 12, 12], seed: 6, dtype)
            let y = network(dtype == .float32 ? images.contiguous(.channelsLast) : images)
            let first = try #require(gradients(of: [(y * y).sum()], with: [images], createGraph: true)[0])
            return try gradients(of: [(first * first).sum()], with: network.store.parameters).map { try #require($0) }
        }
        let (found, exact) = try (second(.float32), second(.float64))
        let scale = exact.map { $0.abs().max().item() }.max() ?? 0
        for (a, b) in zip(found, exact) {
            #expect((a.to(dtype: .float64) - b).abs().max().item() < 1e-4 * scale)
        }
    }

    /// The same norm twice in a row: a gradient with a graph of its own goes along each path once.
    @Test func canBeUsedTwiceWithAGraph() throws {
        func gradient(_ dtype: DType, createGraph: Bool) throws -> Tensor {
            let (weight, bias) = (leaf([6], seed: 7, dtype), leaf([6], seed: 8, dtype))
            let x = leaf([4, 6, 5, 5], seed: 9, dtype).contiguous(.channelsLast)
            func norm(_ x: Tensor) -> Tensor {
                x.batchNorm(
                    weight, bias, runningMean: nil, runningVariance: nil, training: true, momentum: 0, epsilon: 1e-5)
            }
            let loss = norm(norm(x).tanh()).pow(3).sum()
            return try #require(gradients(of: [loss], with: [weight], createGraph: createGraph)[0]).detached()
        }
        let exact = try gradient(.float64, createGraph: true)
        for createGraph in [false, true] {
            let found = try gradient(.float32, createGraph: createGraph)
            #expect(relativeError(found, exact) < 1e-4, "\(found) \(exact)")
        }
    }

    /// As libtorch's, it refuses parameters and statistics of another number of channels.
    @Test(arguments: [[4, 8, 8, 8], [8, 4, 8, 8], [8, 8, 4, 8], [8, 8, 8, 4]]) func refusesOtherSizes(_ sizes: [Int]) {
        let tensors = sizes.map { Tensor.ones([$0]) }
        let error = #expect(throws: TorchError.self) {
            try withTorchErrors {
                Tensor.ones([2, 8, 3, 3]).contiguous(.channelsLast).batchNorm(
                    tensors[0], tensors[1], runningMean: tensors[2], runningVariance: tensors[3], training: true,
                    momentum: 0.1, epsilon: 1e-5)
            }
        }
        #expect(error?.message.contains("8 elements not 4") == true, "\(error?.message ?? "")")
    }

    /// One value has no variance, as PyTorch says.
    @Test func needsTwoValuesAChannel() throws {
        let message = #expect(throws: TorchError.self) {
            try withTorchErrors {
                Tensor.ones([1, 3, 1, 1]).contiguous(.channelsLast).batchNorm(
                    .ones([3]), .zeros([3]), runningMean: nil, runningVariance: nil, training: true, momentum: 0,
                    epsilon: 1e-5)
            }
        }
        #expect(try #require(message).description.contains("more than one value a channel"))
    }

    @Test func notANumberStaysWhatItIs() {
        let x = Tensor([1, .nan, 3, 4] as [Float], shape: [2, 1, 1, 2]).contiguous(.channelsLast)
        let y = x.batchNorm(
            .ones([1]), .zeros([1]), runningMean: nil, runningVariance: nil, training: true, momentum: 0, epsilon: 1e-5,
            activation: .relu6)
        #expect(y.scalars(Float.self).allSatisfy { $0.isNaN })
    }

    /// What a chain of norm, ReLU and convolution holds between the passes: one map a layer, of 100 KB here, and not two.
    @Test func keepsOneMapALayer() throws {
        let network = Network(.float32)
        let maps = Tensor.randn([4, 16, 20, 20], generator: Generator(seed: 8)).contiguous(.channelsLast)
        maps.requiresGrad = true
        func bytes(_ body: (Tensor) -> Tensor) -> Int {
            Machine.peakMemory { body(maps).sum().backward() }.bytes
        }
        func chain(_ layer: @escaping (Conv2d, BatchNorm2d, Tensor) -> Tensor) -> (Tensor) -> Tensor {
            { x in (0..<12).reduce(x) { y, index in layer(network.layers[1 + index % 3].0, network.layers[1].1, y) } }
        }
        let kept = bytes(chain { convolution, norm, x in norm(convolution(x), .relu) })
        let inTurn = bytes(chain { convolution, norm, x in norm(convolution(x)).relu() })
        let map = 4 * 16 * 20 * 20 * 4
        #expect(kept < 18 * map && inTurn > 24 * map)
    }

    /// Guests in a batch are normalised apart, by PyTorch's batch norm; the running statistics are the others'.
    @Test(arguments: [(DType.float64, 1e-12), (.float32, 2e-5)])
    func guestsHaveTheirOwnStatistics(_ dtype: DType, tolerance: Double) throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
        let file = try StateDict(contentsOf: "\(path)/Fixtures/batch_norm_guests.safetensors")
        func wanted(_ name: String) throws -> Tensor { try #require(file[name]) }
        func given(_ name: String) throws -> Tensor { try wanted(name).to(dtype: dtype) }
        let store = ParameterStore(seed: 0, dtype: dtype)
        let norm = BatchNorm2d(store.root, channels: 3)
        noGrad {
            norm.weight.copy_((try? given("weight")) ?? .zeros([3]))
            norm.bias.copy_((try? given("bias")) ?? .zeros([3]))
        }
        store.setRequiresGrad(true)
        store.isTraining = true
        store.batchNormGuests = BatchNormGuests(rows: [1, 3], of: 5, device: .cpu)
        let x = try given("x").contiguous(.channelsLast)
        x.requiresGrad = true
        let y = norm(x, .relu, adding: try given("residual").contiguous(.channelsLast))
        let found = gradients(of: [(y * (try given("weights"))).sum()], with: [x, norm.weight, norm.bias])
        for (name, value) in [
            ("y", y), ("x.gradient", found[0] ?? x), ("weight.gradient", found[1] ?? x),
            ("bias.gradient", found[2] ?? x),
            ("mean", norm.runningMean), ("variance", norm.runningVariance),
        ] {
            let error = (value.detached().to(dtype: .float64) - (try wanted(name))).abs().max().item()
            #expect(error < tolerance, "\(name)")
        }
        #expect(norm.batchesTracked.item() == 1)
        // A batch of another size is normalised as a whole, and an evaluation by what was kept.
        let part = x[0..<3].detached()
        let together = norm(part)
        store.batchNormGuests = nil
        #expect(together.scalars(Double.self) == norm(part).scalars(Double.self))
        #expect(BatchNormGuests(rows: [], of: 5, device: .cpu) == nil)
        // Guests alone leave no trace.
        let (mean, count) = (norm.runningMean.scalars(Double.self), norm.batchesTracked.item())
        store.batchNormGuests = BatchNormGuests(rows: [0, 1, 2], of: 3, device: .cpu)
        #expect(norm(part).scalars(Double.self) == together.scalars(Double.self))
        #expect(norm.runningMean.scalars(Double.self) == mean && norm.batchesTracked.item() == count)
    }
}
