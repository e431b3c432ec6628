import Torch

/// A vision transformer (Dosovitskiy et al. 2021) with timm's keys and numbers: a class token, learned positions, the
/// class token's last state as features.
///
/// Images of any size: they are padded to whole patches, and the positions resized bicubically (timm's
/// `dynamic_img_size` and `dynamic_img_pad`).
public struct VisionTransformer: Backbone {
    /// What differs between the published ones.
    struct Variant: Sendable {
        var width = 768
        var heads = 12
        var patch = 16
        /// Side in pixels of the images that the checkpoint's positions are for.
        var imageSize = 224
        var epsilon = 1e-6
        /// CLIP: normalises the embedding and has no bias in it.
        var isCLIP = false
        /// OpenAI's CLIP weights: `x · sigmoid(1.702 x)` in place of GELU.
        var quickGELU = false
        /// DINOv2: a factor on each channel of each branch.
        var layerScale = false
    }

    private static let depth = 12
    private static let weightInit = Initialiser.normal(deviation: 0.02)

    /// Width of the features: 384 of the small network, 768 of the base one.
    public let featureCount: Int
    /// Places that ``features(_:visit:)`` visits: the embedding and four quarters of the blocks.
    public let levels = 5
    private let variant: Variant
    private let patchEmbedding: Conv2d
    private let classToken, positions: Tensor
    private let embeddingNorm: LayerNorm?
    private let blocks: [Block]
    private let norm: LayerNorm

    init(_ scope: Scope, variant: Variant, options: BackboneOptions, generator: Generator) {
        self.variant = variant
        let width = variant.width
        let side = variant.imageSize / variant.patch
        featureCount = width
        classToken = scope.parameter("cls_token", [1, 1, width], .normal(deviation: 1e-6))
        positions = scope.parameter("pos_embed", [1, side * side + 1, width], Self.weightInit)
        patchEmbedding = Conv2d(
            scope / "patch_embed" / "proj", in: 3, out: width, kernel: variant.patch, stride: variant.patch,
            bias: !variant.isCLIP)
        embeddingNorm = variant.isCLIP ? LayerNorm(scope / "norm_pre", width: width, epsilon: variant.epsilon) : nil
        blocks = (0..<Self.depth).map { index in
            let skip = StochasticDepth(
                rate: options.dropConnect * Double(index) / Double(Self.depth - 1), store: scope.store,
                generator: generator)
            return Block(scope / "blocks" / index, variant: variant, skip: skip)
        }
        norm = LayerNorm(scope / "norm", width: width, epsilon: variant.epsilon)
    }

    /// Features [N, featureCount] of images [N, 3, H, W]; visited are tokens [N, 1 + h·w, featureCount], the class
    /// token first.
    public func features(_ images: Tensor, visit: (Int, Tensor) -> Tensor) -> Tensor {
        var x = visit(0, embedding(images))
        let quarter = Self.depth / 4
        for (index, block) in blocks.enumerated() {
            x = block(x)
            if (index + 1) % quarter == 0 { x = visit((index + 1) / quarter, x) }
        }
        return norm(x.selected(1, 0))
    }

    /// Tokens [N, 1 + h·w, width], the class token first.
    private func embedding(_ images: Tensor) -> Tensor {
        func missing(_ size: Int) -> Int { (variant.patch - size % variant.patch) % variant.patch }
        let padded = images.padded([0, missing(images.size(3)), 0, missing(images.size(2))])
        let patches = patchEmbedding(padded)
        let tokens = patches.flattened(from: 2).transposed(1, 2)
        let first = classToken.expanded([images.size(0), -1, -1])
        let x = Tensor.concatenated([first, tokens], dimension: 1) + positions(patches.size(2), patches.size(3))
        return embeddingNorm?(x) ?? x
    }

    /// The learned positions, resized to a grid of patches: [1, 1 + height·width, width].
    private func positions(_ height: Int, _ width: Int) -> Tensor {
        let side = variant.imageSize / variant.patch
        guard height != side || width != side else { return positions }
        let parts = positions.split([1, side * side], dimension: 1)
        let grid = parts[1].to(dtype: .float32).reshaped(1, side, side, -1).permuted(0, 3, 1, 2)
            .resizedBicubic(height, width).permuted(0, 2, 3, 1).reshaped(1, height * width, -1)
        return .concatenated([parts[0], grid.to(dtype: positions.dtype)], dimension: 1)
    }

    /// Pre-norm attention and feed-forward layer.
    private struct Block {
        private let scope: Scope
        private let norm1, norm2: LayerNorm
        private let qkv, projection, fc1, fc2: Linear
        private let scale1, scale2: Tensor?
        private let heads: Int
        private let quickGELU: Bool
        private let skip: StochasticDepth

        init(_ scope: Scope, variant: Variant, skip: StochasticDepth) {
            self.scope = scope
            let width = variant.width
            func linear(_ scope: Scope, _ inputs: Int, _ outputs: Int) -> Linear {
                Linear(scope, in: inputs, out: outputs, weightInit: weightInit, biasInit: .zeros)
            }
            func scale(_ name: String) -> Tensor? {
                variant.layerScale ? (scope / name).parameter("gamma", [width], .constant(1e-5)) : nil
            }
            norm1 = LayerNorm(scope / "norm1", width: width, epsilon: variant.epsilon)
            qkv = linear(scope / "attn" / "qkv", width, 3 * width)
            projection = linear(scope / "attn" / "proj", width, width)
            scale1 = scale("ls1")
            norm2 = LayerNorm(scope / "norm2", width: width, epsilon: variant.epsilon)
            fc1 = linear(scope / "mlp" / "fc1", width, 4 * width)
            fc2 = linear(scope / "mlp" / "fc2", 4 * width, width)
            scale2 = scale("ls2")
            heads = variant.heads
            quickGELU = variant.quickGELU
            self.skip = skip
        }

        func callAsFunction(_ x: Tensor) -> Tensor {
            let attended = x + skip(scope.layer(x) { scaled(attention(norm1($0[0])), scale1) })
            return attended + skip(scope.layer(attended) { scaled(feedForward(norm2($0[0])), scale2) })
        }

        private func scaled(_ branch: Tensor, _ scale: Tensor?) -> Tensor { scale.map { branch * $0 } ?? branch }

        private func attention(_ x: Tensor) -> Tensor {
            // [3, N, heads, tokens, width / heads]
            let parts = qkv(x).reshaped(x.size(0), x.size(1), 3, heads, x.size(2) / heads).permuted(2, 0, 3, 1, 4)
            let mixed = parts[0].attention(keys: parts[1], values: parts[2])
            return projection(mixed.transposed(1, 2).flattened(from: 2))
        }

        private func feedForward(_ x: Tensor) -> Tensor {
            let hidden = fc1(x)
            return fc2(quickGELU ? hidden.quickGELU() : hidden.gelu())
        }
    }
}

extension VisionTransformer {
    /// DINOv2's own files hold the token of its masked pre-training, which the network does not use.
    static func withoutMaskToken(_ state: StateDict) -> StateDict { state.renamed { $0 == "mask_token" ? nil : $0 } }

    static func place(_ key: String) -> LayerPlace {
        if let block = LayerPlace.block(key, ["blocks"], parts: 1...1) { return block }
        let stem = ["cls_token", "pos_embed", "patch_embed.", "norm_pre."]
        if stem.contains(where: { key.hasPrefix($0) }) { return .stem }
        return key.hasPrefix("norm.") ? .afterBlocks : .head
    }
}
