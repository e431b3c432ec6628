import Foundation
import Foundations
import Torch

/// Settings of ``AutoencoderKL``: diffusers' `vae/config.json`.
public struct AutoencoderKLConfig: Sendable, Equatable {
    /// Channels of an image, 3 for colours (`in_channels`).
    public var imageChannels = 3
    /// Channels of a latent, 4 in Stable Diffusion (`latent_channels`).
    public var latentChannels = 4
    /// Channels of each level, from the highest resolution down (`block_out_channels`).
    public var blockOutChannels = [64]
    /// Residual blocks of each level of the encoder; the decoder has one more (`layers_per_block`).
    public var layersPerBlock = 1
    /// Groups of the group norms, a divisor of all channels (`norm_num_groups`).
    public var normGroups = 32
    /// Side in pixels of the images that it was trained on (`sample_size`).
    public var sampleSize = 32
    /// Factor from the posterior's values to latents of about unit variance.
    public var scalingFactor = 0.18215
    /// Whether the lowest level attends from place to place (`mid_block_add_attention`).
    public var midBlockAttention = true
    /// Whether a 1×1 convolution follows the encoder (`use_quant_conv`).
    public var useQuantConv = true
    /// Whether a 1×1 convolution precedes the decoder (`use_post_quant_conv`).
    public var usePostQuantConv = true
    /// Whether float16 is too narrow for the activations, so that the weights are to be kept in float32.
    public var needsFloat32 = true

    /// diffusers' defaults for what a file leaves out.
    public init() {}

    /// Reads a `config.json`.
    /// - Throws: ``ModelError`` for a setting that is unknown or not supported, by name.
    public init(path: String) throws {
        var reader = try ConfigReader(path: path)
        try reader.requireClass("AutoencoderKL")
        imageChannels = try reader.int("in_channels", 3)
        latentChannels = try reader.int("latent_channels", 4)
        blockOutChannels = try reader.ints("block_out_channels", [64])
        layersPerBlock = try reader.int("layers_per_block", 1)
        normGroups = try reader.int("norm_num_groups", 32)
        sampleSize = try reader.int("sample_size", 32)
        scalingFactor = try reader.double("scaling_factor", 0.18215)
        midBlockAttention = try reader.bool("mid_block_add_attention", true)
        useQuantConv = try reader.bool("use_quant_conv", true)
        usePostQuantConv = try reader.bool("use_post_quant_conv", true)
        for (key, block) in [("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")] {
            let types = try reader.strings(key, blockOutChannels.map { _ in block })
            for type in types where type != block {
                throw ModelError(path: path, "block \(type) is not supported; only \(block) is")
            }
            try reader.check(
                types.count == blockOutChannels.count,
                "\(types.count) \(key) for \(blockOutChannels.count) block_out_channels")
        }
        try reader.require(["out_channels": .int(imageChannels), "act_fn": "silu"])
        try reader.require(["latents_mean": .null, "latents_std": .null])
        // Stable Diffusion's pipelines in diffusers scale latents and do not shift them, whatever the file says.
        reader.ignore(["shift_factor"])
        needsFloat32 = try reader.bool("force_upcast", true)
        try reader.finish()
        try reader.checkLevels(blockOutChannels, groups: normGroups, layers: [layersPerBlock])
        try reader.check(
            (1...4096).contains(imageChannels) && (1...4096).contains(latentChannels) && sampleSize > 0
                && scalingFactor > 0, "channels, sample_size or scaling_factor out of range")
    }

    /// The `config.json` that diffusers reads.
    public var json: [String: JSONValue] {
        [
            "_class_name": "AutoencoderKL", "_diffusers_version": "0.30.0", "act_fn": "silu",
            "in_channels": .int(imageChannels), "out_channels": .int(imageChannels),
            "latent_channels": .int(latentChannels),
            "block_out_channels": JSONValue(blockOutChannels), "layers_per_block": .int(layersPerBlock),
            "down_block_types": JSONValue(blockOutChannels.map { _ in "DownEncoderBlock2D" }),
            "up_block_types": JSONValue(blockOutChannels.map { _ in "UpDecoderBlock2D" }),
            "norm_num_groups": .int(normGroups), "sample_size": .int(sampleSize),
            "scaling_factor": .double(scalingFactor),
            "mid_block_add_attention": .bool(midBlockAttention), "use_quant_conv": .bool(useQuantConv),
            "use_post_quant_conv": .bool(usePostQuantConv), "force_upcast": .bool(needsFloat32),
        ]
    }

    /// Image pixels along one side of a latent.
    public var downsampling: Int { 1 << (blockOutChannels.count - 1) }
}

private let epsilon = 1e-6

/// Resnet, attention, resnet at the lowest resolution. Keys: `resnets.0`, `attentions.0`, `resnets.1`.
private struct MidBlock {
    let first, second: ResnetBlock2D
    let attention: ImageAttention?

    init(_ scope: Scope, channels: Int, config: AutoencoderKLConfig) {
        let groups = config.normGroups
        first = ResnetBlock2D(
            scope / "resnets" / 0, in: channels, out: channels, timeWidth: nil, groups: groups, epsilon: epsilon)
        attention =
            config.midBlockAttention
            ? ImageAttention(scope / "attentions" / 0, channels: channels, heads: 1, groups: groups, epsilon: epsilon)
            : nil
        second = ResnetBlock2D(
            scope / "resnets" / 1, in: channels, out: channels, timeWidth: nil, groups: groups, epsilon: epsilon)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let hidden = first(x)
        return second(attention?(hidden) ?? hidden)
    }
}

private struct Encoder {
    let convIn, convOut: Conv2d
    let blocks: [(resnets: [ResnetBlock2D], downsample: Downsample2D?)]
    let mid: MidBlock
    let norm: GroupNorm

    init(_ scope: Scope, _ config: AutoencoderKLConfig) {
        let channels = config.blockOutChannels
        convIn = Conv2d(scope / "conv_in", in: config.imageChannels, out: channels[0], kernel: 3, padding: 1)
        blocks = channels.indices.map { level in
            let block = scope / "down_blocks" / level
            let resnets = (0..<config.layersPerBlock).map { layer in
                ResnetBlock2D(
                    block / "resnets" / layer, in: layer == 0 ? channels[max(0, level - 1)] : channels[level],
                    out: channels[level], timeWidth: nil, groups: config.normGroups, epsilon: epsilon)
            }
            let isLast = level == channels.count - 1
            return (
                resnets,
                isLast ? nil : Downsample2D(block / "downsamplers" / 0, channels: channels[level], asymmetric: true)
            )
        }
        let width = channels[channels.count - 1]
        mid = MidBlock(scope / "mid_block", channels: width, config: config)
        norm = GroupNorm(scope / "conv_norm_out", groups: config.normGroups, channels: width, epsilon: epsilon)
        convOut = Conv2d(scope / "conv_out", in: width, out: 2 * config.latentChannels, kernel: 3, padding: 1)
    }

    func callAsFunction(_ images: Tensor) -> Tensor {
        var hidden = convIn(images)
        for block in blocks {
            for resnet in block.resnets { hidden = resnet(hidden) }
            hidden = block.downsample?(hidden) ?? hidden
        }
        return convOut(norm(mid(hidden), silu: true))
    }
}

private struct Decoder {
    let convIn, convOut: Conv2d
    let blocks: [(resnets: [ResnetBlock2D], upsample: Upsample2D?)]
    let mid: MidBlock
    let norm: GroupNorm

    init(_ scope: Scope, _ config: AutoencoderKLConfig) {
        let channels = [Int](config.blockOutChannels.reversed())
        convIn = Conv2d(scope / "conv_in", in: config.latentChannels, out: channels[0], kernel: 3, padding: 1)
        mid = MidBlock(scope / "mid_block", channels: channels[0], config: config)
        blocks = channels.indices.map { level in
            let block = scope / "up_blocks" / level
            let resnets = (0...config.layersPerBlock).map { layer in
                ResnetBlock2D(
                    block / "resnets" / layer, in: layer == 0 ? channels[max(0, level - 1)] : channels[level],
                    out: channels[level], timeWidth: nil, groups: config.normGroups, epsilon: epsilon)
            }
            let isLast = level == channels.count - 1
            return (resnets, isLast ? nil : Upsample2D(block / "upsamplers" / 0, channels: channels[level]))
        }
        let width = channels[channels.count - 1]
        norm = GroupNorm(scope / "conv_norm_out", groups: config.normGroups, channels: width, epsilon: epsilon)
        convOut = Conv2d(scope / "conv_out", in: width, out: config.imageChannels, kernel: 3, padding: 1)
    }

    func callAsFunction(_ latents: Tensor) -> Tensor {
        var hidden = mid(convIn(latents))
        for block in blocks {
            for resnet in block.resnets { hidden = resnet(hidden) }
            hidden = block.upsample?(hidden) ?? hidden
        }
        return convOut(norm(hidden, silu: true))
    }
}

/// The encoder's distribution over latents: a diagonal Gaussian, before scaling.
public struct LatentDistribution {
    /// Mean of each number of a latent, [N, latentChannels, h, w].
    public let mean: Tensor
    /// Logarithm of the variance, in [−30, 20].
    public let logVariance: Tensor

    /// A latent drawn from the distribution: `mean + deviation · noise`, with standard normal noise of the mean's
    /// shape.
    public func sample(noise: Tensor) -> Tensor { mean + (logVariance * 0.5).exp() * noise }

    /// Divergence from the standard normal distribution, summed over a latent: [N].
    public var klDivergence: Tensor {
        0.5 * (mean.squared() + logVariance.exp() - 1 - logVariance).sum([1, 2, 3])
    }
}

/// The variational autoencoder of latent diffusion (Rombach et al. 2022; diffusers' `AutoencoderKL`).
///
/// Images are [N, 3, H, W] in [−1, 1]; latents [N, latentChannels, H / f, W / f]. Both may be of another floating-point
/// type than the weights, and are converted; results have the weights' type.
public final class AutoencoderKL {
    /// The settings that the network was built by.
    public let config: AutoencoderKLConfig
    /// The weights, under the keys of diffusers' `AutoencoderKL`.
    public let store: ParameterStore
    private let encoder: Encoder
    private let decoder: Decoder
    private let quantConv: Conv2d?
    private let postQuantConv: Conv2d?

    /// Builds the network in a store: with fresh weights, or with a checkpoint's.
    public init(_ store: ParameterStore, _ config: AutoencoderKLConfig) {
        self.config = config
        self.store = store
        let latent = config.latentChannels
        encoder = Encoder(store.root / "encoder", config)
        decoder = Decoder(store.root / "decoder", config)
        quantConv =
            config.useQuantConv
            ? Conv2d(store.root / "quant_conv", in: 2 * latent, out: 2 * latent, kernel: 1) : nil
        postQuantConv =
            config.usePostQuantConv
            ? Conv2d(store.root / "post_quant_conv", in: latent, out: latent, kernel: 1) : nil
    }

    /// The posterior of images in [−1, 1], not scaled.
    public func posterior(_ images: Tensor) -> LatentDistribution {
        store.verifyBeforeUse()
        let hidden = encoder(images.to(dtype: store.dtype))
        let moments = (quantConv?(hidden) ?? hidden).chunked(2, dimension: 1)
        return LatentDistribution(mean: moments[0], logVariance: moments[1].clamp(min: -30, max: 20))
    }

    /// Scaled latents of images in [−1, 1]: `posterior mean · scalingFactor`.
    public func encode(_ images: Tensor) -> Tensor {
        posterior(images).mean * config.scalingFactor
    }

    /// Images, about in [−1, 1], of scaled latents.
    public func decode(_ latents: Tensor) -> Tensor {
        decodeUnscaled(latents / config.scalingFactor)
    }

    /// Images of latents as ``posterior(_:)`` gives them.
    public func decodeUnscaled(_ latents: Tensor) -> Tensor {
        store.verifyBeforeUse()
        let latents = latents.to(dtype: store.dtype)
        return decoder(postQuantConv?(latents) ?? latents)
    }

    /// Folds a normalisation of the latents per channel into `quant_conv` and `post_quant_conv`, so that the posterior
    /// mean has mean 0 and deviation `1 / scalingFactor` and one factor serves, as in every diffusers checkpoint.
    /// - Parameters:
    ///   - mean: per channel of the posterior mean as it is now [latentChannels].
    ///   - deviation: likewise.
    public func normaliseLatents(mean: Tensor, deviation: Tensor) {
        guard let quantConv, let postQuantConv, let bias = quantConv.bias, let postBias = postQuantConv.bias else {
            return
        }
        noGrad {
            let scale = 1 / (deviation * config.scalingFactor)
            // mean' = (mean − m) · s and log-variance' = log-variance + 2 ln s
            let weights = quantConv.weight.detached().chunked(2, dimension: 0)
            let biases = bias.detached().chunked(2, dimension: 0)
            weights[0].copy_(weights[0] * scale.reshaped(-1, 1, 1, 1))
            biases[0].copy_((biases[0] - mean) * scale)
            biases[1].copy_(biases[1] + 2 * scale.log())
            // post(z) = W z + b with z = z' / s + m
            let weight = postQuantConv.weight.detached()
            let shift = weight.flattened(from: 1).matmul(mean)
            postBias.detached().copy_(postBias.detached() + shift)
            weight.copy_(weight / scale.reshaped(1, -1, 1, 1))
        }
    }
}
