import Testing

@testable import Torch

/// A convolution and its batch norm in one, against the two layers one after the other.
struct ConvNormTests {
    struct Case: CustomTestStringConvertible {
        var inputs = 6
        var outputs = 8
        var kernel = 3
        var stride = 1
        var groups = 1
        /// Side of the maps.
        var side = 9

        var testDescription: String { "\(inputs)→\(outputs), \(kernel)/\(stride), \(groups) groups, side \(side)" }
    }

    static let cases = [
        Case(), Case(kernel: 1, stride: 2), Case(stride: 2, groups: 2), Case(inputs: 8, kernel: 5, groups: 8),
        // Fewer places than the kernel has inputs: not folded.
        Case(inputs: 64, side: 3),
    ]

    /// The layers, with a norm that changes something, and a batch.
    private struct Layers {
        let store = ParameterStore(seed: 1, dtype: .float64)
        let convolution: Conv2d
        let norm: BatchNorm2d
        let images: Tensor

        init(_ test: Case) {
            convolution = Conv2d(
                store.root / "conv", in: test.inputs, out: test.outputs, kernel: test.kernel, stride: test.stride,
                padding: test.kernel / 2, groups: test.groups, bias: false)
            norm = BatchNorm2d(store.root / "bn", channels: test.outputs)
            let generator = Generator(seed: 2)
            images = Tensor.randn([2, test.inputs, test.side, test.side], generator: generator).to(dtype: .float64)
            images.requiresGrad = true
            let entries = store.entries.filter { $0.name.hasPrefix("bn.") && $0.tensor.dtype == .float64 }
            noGrad {
                for tensor in entries.map(\.tensor) {
                    tensor.detached().copy_(Tensor.rand(tensor.shape, generator: generator).to(dtype: .float64) + 0.5)
                }
            }
            store.setRequiresGrad(true)
        }

        /// The layers' output, and the gradients of a sum of it in the images and all parameters.
        func run(_ layers: (Tensor) -> Tensor) throws -> [Tensor] {
            let y = layers(images)
            let weights = Tensor.randn(y.shape, generator: Generator(seed: 3)).to(dtype: .float64)
            let found = gradients(of: [(y * weights).sum()], with: [images] + store.parameters)
            return try [y.detached()] + found.map { try #require($0) }
        }
    }

    @Test(arguments: cases, [false, true]) func equalsTheTwoLayers(_ test: Case, isFrozen: Bool) throws {
        let layers = Layers(test)
        layers.norm.frozen = isFrozen
        layers.store.isTraining = isFrozen
        let expected = try layers.run { layers.norm(layers.convolution($0)) }
        let found = try layers.run { ConvNorm2d(layers.convolution, layers.norm)($0) }
        #expect(found.count == expected.count)
        for (a, b) in zip(found, expected) {
            #expect(a.shape == b.shape)
            #expect((a - b).abs().max().item() < 1e-12 * b.abs().max().item())
        }
        #expect(layers.norm.batchesTracked.item() == 0)
    }

    @Test func trainsOnTheBatchsStatistics() throws {
        let layers = Layers(Case())
        layers.store.isTraining = true
        let mean = layers.norm.runningMean.cloned()
        let y = ConvNorm2d(layers.convolution, layers.norm)(layers.images).detached()
        let normalised = (y - layers.norm.bias.detached().reshaped(1, -1, 1, 1)).mean([0, 2, 3])
        #expect(normalised.abs().max().item() < 1e-12)
        #expect((layers.norm.runningMean - mean).abs().max().item() > 1e-3)
    }

    /// Folding keeps fewer maps for the gradient.
    @Test func isFoldedWhereTheMapsAreTheLarger() {
        let layers = Layers(Case(side: 64))
        layers.norm.frozen = true
        layers.store.isTraining = true
        let folded = ConvNorm2d(layers.convolution, layers.norm)(layers.images)
        let inTurn = layers.norm(layers.convolution(layers.images))
        // The last bits tell which of the two was computed.
        #expect((folded - inTurn).abs().max().item() > 0)
        let small = Layers(Case(inputs: 64, side: 3))
        let separate = ConvNorm2d(small.convolution, small.norm)(small.images)
        #expect((separate - small.norm(small.convolution(small.images))).abs().max().item() == 0)
    }

    /// With the activation and a residual, for several numbers of images, and again when a parameter has changed.
    @Test(arguments: [
        Case(), Case(kernel: 1, stride: 2), Case(inputs: 8, kernel: 5, groups: 8), Case(inputs: 3, kernel: 7),
    ])
    func packedEqualsTheTwoLayers(_ test: Case) {
        let store = ParameterStore(seed: 1)
        let convolution = Conv2d(
            store.root / "conv", in: test.inputs, out: test.outputs, kernel: test.kernel, stride: test.stride,
            padding: test.kernel / 2, groups: test.groups, bias: false)
        let norm = BatchNorm2d(store.root / "bn", channels: test.outputs, epsilon: 1e-3)
        let layers = ConvNorm2d(convolution, norm)
        store.isTraining = false
        let generator = Generator(seed: 2)
        noGrad { for tensor in [norm.weight, norm.runningMean, norm.runningVariance] { tensor.uniform(generator) } }
        func compare(_ images: Int, _ activation: Activation, adds: Bool) {
            inferenceMode {
                let x = Tensor.randn([images, test.inputs, test.side, test.side], generator: generator) * 4
                store.packsWeights = false
                let plain = norm(convolution(x))
                let residual = adds ? Tensor.randn(plain.shape, generator: generator) : nil
                let expected = norm(convolution(x), activation, adding: residual)
                store.packsWeights = true
                let found = layers(x, activation, adding: residual)
                #expect(found.shape == expected.shape)
                #expect(
                    (found - expected).abs().max().item() < 1e-5 * expected.abs().max().item(),
                    "\(images), \(activation)")
            }
        }
        for images in [2, 1, 5, 2] {
            for activation in [Activation.identity, .relu, .relu6] {
                for adds in [false, true] { compare(images, activation, adds: adds) }
            }
        }
        noGrad { norm.bias.add_(1) }
        compare(2, .relu, adds: true)
    }
}

extension Tensor {
    fileprivate func uniform(_ generator: Generator) { copy_(Tensor.rand(shape, generator: generator) + 0.5) }
}
