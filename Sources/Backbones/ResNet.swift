import Torch

/// A residual network (He et al. 2016, stride in the 3×3 convolution) with torchvision's keys and numbers.
public struct ResNet: PooledBackbone {
    /// Depths that have a name of their own.
    enum Depth: Int, CaseIterable {
        case d18 = 18
        case d34 = 34
        case d50 = 50
        case d101 = 101

        var blocks: [Int] {
            switch self {
            case .d18: [2, 2, 2, 2]
            case .d34, .d50: [3, 4, 6, 3]
            case .d101: [3, 4, 23, 3]
            }
        }
        var hasBottlenecks: Bool { rawValue >= 50 }
    }

    /// Width of the features: 512, or 2048 with bottlenecks (from 50 layers on).
    public let featureCount: Int
    /// Places that ``Backbone/features(_:visit:)`` visits: the stem and four stages.
    public let levels = 5
    private let stem: ConvNorm2d
    /// By stage.
    private let stages: [[Block]]

    init(_ scope: Scope, depth: Depth, options: BackboneOptions, generator: Generator) {
        stem = options.convNorm(
            scope / "conv1", scope / "bn1", in: 3, out: 64, kernel: 7, stride: 2, padding: 3, epsilon: 1e-5)
        var inputs = 64
        var stages: [[Block]] = []
        let total = depth.blocks.reduce(0, +)
        for (stage, count) in depth.blocks.enumerated() {
            var blocks: [Block] = []
            let before = depth.blocks[..<stage].reduce(0, +)
            for index in 0..<count {
                let skip = StochasticDepth(
                    rate: options.dropConnect * Double(before + index) / Double(total - 1), store: scope.store,
                    generator: generator)
                let block = Block(
                    scope / "layer\(stage + 1)" / index, in: inputs, width: 64 << stage,
                    stride: stage > 0 && index == 0 ? 2 : 1, isBottleneck: depth.hasBottlenecks, options: options,
                    skip: skip)
                blocks.append(block)
                inputs = block.outputs
            }
            stages.append(blocks)
        }
        self.stages = stages
        featureCount = inputs
    }

    /// Maps [N, featureCount, h, w] of images [N, 3, H, W], 1/32 of the image as the last of those that are visited, which are 1/4, 1/4, 1/8, 1/16 and 1/32 of the image.
    public func maps(_ images: Tensor, visit: (Int, Tensor) -> Tensor) -> Tensor {
        var x = visit(0, stem(images, .relu).maxPool2d(3, stride: 2, padding: 1))
        for (index, blocks) in stages.enumerated() {
            for block in blocks { x = block(x) }
            x = visit(index + 1, x)
        }
        return x
    }

    /// Two 3×3 convolutions, or 1×1, 3×3, 1×1 around a bottleneck; a 1×1 convolution in the shortcut where shapes differ.
    private struct Block {
        let outputs: Int
        private let scope: Scope
        private let layers: [ConvNorm2d]
        private let shortcut: ConvNorm2d?
        private let skip: StochasticDepth

        init(
            _ scope: Scope, in inputs: Int, width: Int, stride: Int, isBottleneck: Bool, options: BackboneOptions,
            skip: StochasticDepth
        ) {
            func layer(
                _ conv: Scope, _ norm: Scope, _ inputs: Int, _ outputs: Int, _ kernel: Int, _ stride: Int
            ) -> ConvNorm2d {
                options.convNorm(
                    conv, norm, in: inputs, out: outputs, kernel: kernel, stride: stride, padding: kernel / 2,
                    epsilon: 1e-5)
            }
            self.scope = scope
            outputs = isBottleneck ? 4 * width : width
            let plan =
                isBottleneck
                ? [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
                : [(inputs, width, 3, stride), (width, outputs, 3, 1)]
            layers = plan.enumerated().map { index, shape in
                layer(scope / "conv\(index + 1)", scope / "bn\(index + 1)", shape.0, shape.1, shape.2, shape.3)
            }
            let down = scope / "downsample"
            shortcut =
                stride != 1 || inputs != outputs ? layer(down / 0, down / 1, inputs, outputs, 1, stride) : nil
            self.skip = skip
        }

        func callAsFunction(_ x: Tensor) -> Tensor {
            skip.residual(x, scope, shortcut: shortcut) { branch($0, $1, adding: $2) }
        }

        private func branch(_ x: Tensor, _ activation: Activation, adding residual: Tensor?) -> Tensor {
            let hidden = layers.dropLast().reduce(x) { $1($0, .relu) }
            return layers[layers.count - 1](hidden, activation, adding: residual)
        }
    }
}

extension ResNet {
    static func place(_ key: String) -> LayerPlace {
        if key.hasPrefix("conv1.") || key.hasPrefix("bn1.") { return .stem }
        return .block(key, ["layer"], parts: 0...1) ?? .head
    }
}
