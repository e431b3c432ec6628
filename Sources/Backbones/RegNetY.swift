import Torch

/// RegNetY-16GF (Radosavovic et al. 2020: a regular network with squeeze and excitation) with the keys and numbers of
/// timm's `regnety_160`, which are those of torchvision's `regnet_y_16gf` under other names.
public struct RegNetY: PooledBackbone {
    private static let depths = [2, 4, 11, 1]
    private static let widths = [224, 448, 1232, 3024]
    private static let groupWidth = 112
    private static let stemWidth = 32

    /// Width of the features: 3024 channels of the last stage.
    public let featureCount = 3024
    /// Places that ``Backbone/features(_:visit:)`` visits: the stem and four stages.
    public let levels = 5
    private let stem: ConvNorm2d
    /// By stage.
    private let stages: [[Block]]

    init(_ scope: Scope, options: BackboneOptions, generator: Generator) {
        stem = Self.convNorm(scope / "stem", in: 3, out: Self.stemWidth, kernel: 3, stride: 2, options: options)
        let total = Self.depths.reduce(0, +)
        var stages: [[Block]] = []
        var inputs = Self.stemWidth
        for (stage, depth) in Self.depths.enumerated() {
            let before = Self.depths[..<stage].reduce(0, +)
            var blocks: [Block] = []
            for index in 0..<depth {
                let skip = StochasticDepth(
                    rate: options.dropConnect * Double(before + index) / Double(total - 1), store: scope.store,
                    generator: generator)
                blocks.append(
                    Block(
                        scope / "s\(stage + 1)" / "b\(index + 1)", in: inputs, out: Self.widths[stage],
                        stride: index == 0 ? 2 : 1, options: options, skip: skip))
                inputs = Self.widths[stage]
            }
            stages.append(blocks)
        }
        self.stages = stages
    }

    /// Maps [N, 3024, h, w] of images [N, 3, H, W], 1/32 of the image as the last of those that are visited, which are 1/2, 1/4, 1/8, 1/16 and 1/32 of the image.
    public func maps(_ images: Tensor, visit: (Int, Tensor) -> Tensor) -> Tensor {
        var x = visit(0, stem(images, .relu))
        for (index, blocks) in stages.enumerated() {
            for block in blocks { x = block(x) }
            x = visit(index + 1, x)
        }
        return x
    }

    /// 1×1, grouped 3×3, squeeze and excitation, 1×1; a 1×1 convolution in the shortcut where shapes differ.
    private struct Block {
        private let scope: Scope
        private let conv1, conv2, conv3: ConvNorm2d
        private let squeeze, excite: Conv2d
        private let shortcut: ConvNorm2d?
        private let skip: StochasticDepth

        init(
            _ scope: Scope, in inputs: Int, out outputs: Int, stride: Int, options: BackboneOptions,
            skip: StochasticDepth
        ) {
            self.scope = scope
            conv1 = RegNetY.convNorm(scope / "conv1", in: inputs, out: outputs, kernel: 1, options: options)
            conv2 = RegNetY.convNorm(
                scope / "conv2", in: outputs, out: outputs, kernel: 3, stride: stride, groups: outputs / groupWidth,
                options: options)
            // A quarter of the block's input, not of its width.
            let narrow = inputs / 4
            squeeze = Conv2d(scope / "se" / "fc1", in: outputs, out: narrow, kernel: 1)
            excite = Conv2d(scope / "se" / "fc2", in: narrow, out: outputs, kernel: 1)
            conv3 = RegNetY.convNorm(scope / "conv3", in: outputs, out: outputs, kernel: 1, options: options)
            shortcut =
                stride != 1 || inputs != outputs
                ? RegNetY.convNorm(
                    scope / "downsample", in: inputs, out: outputs, kernel: 1, stride: stride, options: options)
                : nil
            self.skip = skip
        }

        func callAsFunction(_ x: Tensor) -> Tensor {
            skip.residual(x, scope, shortcut: shortcut) { branch($0, $1, adding: $2) }
        }

        private func branch(_ x: Tensor, _ activation: Activation, adding residual: Tensor?) -> Tensor {
            let hidden = conv2(conv1(x, .relu), .relu)
            let weights = excite(squeeze(hidden.globalAveragePool2d()).relu()).sigmoid()
            return conv3(hidden * weights, activation, adding: residual)
        }
    }

    /// A convolution and its batch norm: `conv`, `bn`.
    private static func convNorm(
        _ scope: Scope, in inputs: Int, out outputs: Int, kernel: Int, stride: Int = 1, groups: Int = 1,
        options: BackboneOptions
    ) -> ConvNorm2d {
        options.convNorm(
            scope / "conv", scope / "bn", in: inputs, out: outputs, kernel: kernel, stride: stride,
            padding: kernel / 2, groups: groups, epsilon: 1e-5)
    }
}

extension RegNetY {
    /// timm's keys for a checkpoint with torchvision's; any other checkpoint as it is.
    static func withTimmKeys(_ state: StateDict) -> StateDict {
        guard state.names.contains(where: { $0.hasPrefix("trunk_output.") }) else { return state }
        let layers = [
            "proj.0": "downsample.conv", "proj.1": "downsample.bn", "f.a.0": "conv1.conv", "f.a.1": "conv1.bn",
            "f.b.0": "conv2.conv", "f.b.1": "conv2.bn", "f.c.0": "conv3.conv", "f.c.1": "conv3.bn",
            "f.se.fc1": "se.fc1", "f.se.fc2": "se.fc2",
        ]
        return state.renamed { name in
            let parts = name.split(separator: ".").map(String.init)
            guard let last = parts.last else { return name }
            if parts.count == 3, parts[0] == "stem" { return "stem.\(parts[1] == "0" ? "conv" : "bn").\(last)" }
            if parts.count == 2, parts[0] == "fc" { return "head.fc.\(last)" }
            // trunk_output.block3.block3-10.f.a.0.weight
            guard parts.count > 4, let layer = layers[parts[3..<parts.count - 1].joined(separator: ".")],
                case let numbers = parts[2].dropFirst("block".count).split(separator: "-").compactMap({ Int($0) }),
                numbers.count == 2
            else { return name }
            return "s\(numbers[0]).b\(numbers[1] + 1).\(layer).\(last)"
        }
    }

    static func place(_ key: String) -> LayerPlace {
        if key.hasPrefix("stem.") { return .stem }
        return .block(key, ["s"], parts: 0...1) ?? .head
    }
}
