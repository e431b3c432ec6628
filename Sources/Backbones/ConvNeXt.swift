import Torch

/// ConvNeXt-T (Liu et al. 2022) with the keys and numbers of timm's `convnext_tiny`, which are those of torchvision's under
/// other names.
public struct ConvNeXt: Backbone {
    private static let depths = [3, 3, 9, 3]
    private static let widths = [96, 192, 384, 768]
    private static let epsilon = 1e-6
    private static let weightInit = Initialiser.normal(deviation: 0.02)

    /// Width of the features: 768 channels of the last stage.
    public let featureCount = 768
    /// Places that ``features(_:visit:)`` visits: the stem and four stages.
    public let levels = 5
    private let stem: Conv2d
    private let stemNorm: LayerNorm
    private let stages: [Stage]
    private let headNorm: LayerNorm

    init(_ scope: Scope, options: BackboneOptions, generator: Generator) {
        stem = Conv2d(
            scope / "stem" / 0, in: 3, out: Self.widths[0], kernel: 4, stride: 4, weightInit: Self.weightInit,
            biasInit: .zeros)
        stemNorm = LayerNorm(scope / "stem" / 1, width: Self.widths[0], epsilon: Self.epsilon)
        let total = Self.depths.reduce(0, +)
        stages = Self.depths.indices.map { index in
            let before = Self.depths[..<index].reduce(0, +)
            return Stage(
                scope / "stages" / index, in: index == 0 ? nil : Self.widths[index - 1], out: Self.widths[index],
                skips: (0..<Self.depths[index]).map {
                    StochasticDepth(
                        rate: options.dropConnect * Double(before + $0) / Double(total - 1), store: scope.store,
                        generator: generator)
                })
        }
        headNorm = LayerNorm(scope / "head" / "norm", width: featureCount, epsilon: Self.epsilon)
    }

    /// Features [N, 768] of images [N, 3, H, W]; maps are 1/4, 1/4, 1/8, 1/16 and 1/32 of the image.
    public func features(_ images: Tensor, visit: (Int, Tensor) -> Tensor) -> Tensor {
        var x = visit(0, Self.normalised(stem(images), stemNorm))
        for (index, stage) in stages.enumerated() { x = visit(index + 1, stage(x)) }
        return headNorm(x.globalAveragePool2d().flattened(from: 1))
    }

    /// Layer norm over the channels of [N, C, h, w].
    private static func normalised(_ x: Tensor, _ norm: LayerNorm) -> Tensor {
        norm(x.permuted(0, 2, 3, 1)).permuted(0, 3, 1, 2)
    }

    /// A halving convolution, but for the first stage, and blocks.
    private struct Stage {
        private let downsample: (norm: LayerNorm, conv: Conv2d)?
        private let blocks: [Block]

        init(_ scope: Scope, in inputs: Int?, out outputs: Int, skips: [StochasticDepth]) {
            downsample = inputs.map { inputs in
                (
                    LayerNorm(scope / "downsample" / 0, width: inputs, epsilon: epsilon),
                    Conv2d(
                        scope / "downsample" / 1, in: inputs, out: outputs, kernel: 2, stride: 2,
                        weightInit: weightInit, biasInit: .zeros)
                )
            }
            blocks = skips.enumerated().map { Block(scope / "blocks" / $0, width: outputs, skip: $1) }
        }

        func callAsFunction(_ x: Tensor) -> Tensor {
            var x = downsample.map { $0.conv(normalised(x, $0.norm)) } ?? x
            for block in blocks { x = block(x) }
            return x
        }
    }

    /// A depthwise 7×7 convolution and a feed-forward layer over the channels, scaled per channel.
    private struct Block {
        private let scope: Scope
        private let depthwise: Conv2d
        private let norm: LayerNorm
        private let fc1, fc2: Linear
        private let gamma: Tensor
        private let skip: StochasticDepth

        init(_ scope: Scope, width: Int, skip: StochasticDepth) {
            self.scope = scope
            gamma = scope.parameter("gamma", [width], .constant(1e-6))
            depthwise = Conv2d(
                scope / "conv_dw", in: width, out: width, kernel: 7, padding: 3, groups: width, weightInit: weightInit,
                biasInit: .zeros)
            norm = LayerNorm(scope / "norm", width: width, epsilon: epsilon)
            fc1 = Linear(
                scope / "mlp" / "fc1", in: width, out: 4 * width, weightInit: weightInit, biasInit: .zeros)
            fc2 = Linear(
                scope / "mlp" / "fc2", in: 4 * width, out: width, weightInit: weightInit, biasInit: .zeros)
            self.skip = skip
        }

        func callAsFunction(_ x: Tensor) -> Tensor {
            let branch = scope.layer(x) { inputs in
                let hidden = norm(depthwise(inputs[0]).permuted(0, 2, 3, 1))
                return (fc2(fc1(hidden).gelu()) * gamma).permuted(0, 3, 1, 2)
            }
            return x + skip(branch)
        }
    }
}

extension ConvNeXt {
    /// timm's keys and shapes for a checkpoint with torchvision's; any other checkpoint as it is.
    static func withTimmKeys(_ state: StateDict) -> StateDict {
        guard state.names.contains(where: { $0.hasPrefix("features.") }) else { return state }
        let layers = ["0": "conv_dw", "2": "norm", "3": "mlp.fc1", "5": "mlp.fc2"]
        var result = state.renamed { name in
            let parts = name.split(separator: ".").map(String.init)
            guard let last = parts.last else { return name }
            if parts.count == 3, parts[0] == "classifier" { return "head.\(parts[1] == "0" ? "norm" : "fc").\(last)" }
            guard parts.count >= 4, parts[0] == "features", let place = Int(parts[1]) else { return name }
            if place == 0 { return "stem.\(parts[2]).\(last)" }
            // Even places halve, odd ones hold a stage's blocks.
            if place % 2 == 0 { return "stages.\(place / 2).downsample.\(parts[2]).\(last)" }
            let block = "stages.\(place / 2).blocks.\(parts[2])"
            if last == "layer_scale" { return "\(block).gamma" }
            return parts.count == 6 ? layers[parts[4]].map { "\(block).\($0).\(last)" } ?? name : name
        }
        for name in result.names where name.hasSuffix(".gamma") { result[name] = result[name]?.flattened() }
        return result
    }

    static func place(_ key: String) -> LayerPlace {
        if key.hasPrefix("stem.") { return .stem }
        let words = key.split(separator: ".")
        guard words.count > 3, words[0] == "stages", let stage = Int(words[1]) else { return .head }
        // A stage's halving counts with its first block.
        return .block([stage, words[2] == "blocks" ? Int(words[3]) ?? 0 : 0])
    }
}
