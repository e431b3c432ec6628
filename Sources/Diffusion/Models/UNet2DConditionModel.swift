import Foundation
import Torch

/// One level on the way down: per layer a resnet and, where the level attends, a transformer.
private struct DownBlock {
    let scope: Scope
    let resnets: [ResnetBlock2D]
    let attentions: [Transformer2D]
    let downsample: Downsample2D?

    init(_ scope: Scope, level: Int, config: UNet2DConditionConfig, timeWidth: Int) {
        let channels = config.blockOutChannels
        self.scope = scope
        resnets = (0..<config.layersPerBlock[level]).map { layer in
            ResnetBlock2D(
                scope / "resnets" / layer, in: layer == 0 ? channels[max(0, level - 1)] : channels[level],
                out: channels[level], timeWidth: timeWidth, groups: config.normGroups, epsilon: config.normEpsilon)
        }
        attentions =
            config.downAttention[level]
            ? resnets.indices.map { Transformer2D(scope / "attentions" / $0, level: level, config: config) } : []
        downsample =
            level == channels.count - 1
            ? nil : Downsample2D(scope / "downsamplers" / 0, channels: channels[level], asymmetric: false)
    }

    func callAsFunction(_ x: Tensor, time: Tensor, context: Tensor, skips: inout [Tensor]) -> Tensor {
        var hidden = x
        for (layer, resnet) in resnets.enumerated() {
            hidden = (scope / "resnets" / layer).layer(hidden, time) { resnet($0[0], time: $0[1]) }
            if !attentions.isEmpty { hidden = attentions[layer].layer(hidden, context) }
            skips.append(hidden)
        }
        if let downsample {
            hidden = downsample(hidden)
            skips.append(hidden)
        }
        return hidden
    }
}

/// One level on the way up: each layer takes a skip connection of the way down.
private struct UpBlock {
    let scope: Scope
    let resnets: [ResnetBlock2D]
    let attentions: [Transformer2D]
    let upsample: Upsample2D?

    init(_ scope: Scope, index: Int, config: UNet2DConditionConfig, timeWidth: Int) {
        let channels = config.blockOutChannels
        let level = channels.count - 1 - index
        let previous = channels[min(channels.count - 1, level + 1)]
        let layers = config.layersPerBlock[level] + 1
        self.scope = scope
        resnets = (0..<layers).map { layer in
            let skip = layer == layers - 1 ? channels[max(0, level - 1)] : channels[level]
            return ResnetBlock2D(
                scope / "resnets" / layer, in: (layer == 0 ? previous : channels[level]) + skip,
                out: channels[level], timeWidth: timeWidth, groups: config.normGroups, epsilon: config.normEpsilon)
        }
        attentions =
            config.upAttention[index]
            ? resnets.indices.map { Transformer2D(scope / "attentions" / $0, level: level, config: config) } : []
        upsample = level == 0 ? nil : Upsample2D(scope / "upsamplers" / 0, channels: channels[level])
    }

    func callAsFunction(
        _ x: Tensor, time: Tensor, context: Tensor, skips: inout [Tensor], injected: InjectedBatch?
    ) -> Tensor {
        var hidden = x
        for (layer, resnet) in resnets.enumerated() {
            hidden = (scope / "resnets" / layer).layer(hidden, skips.removeLast(), time) {
                resnet(.concatenated([$0[0], $0[1]], dimension: 1), time: $0[2])
            }
            if !attentions.isEmpty { hidden = attentions[layer].layer(hidden, context, injected: injected) }
        }
        // An odd size was rounded up on the way down: the next skip says what to come back to.
        return upsample.map { up in up(hidden, size: skips.last.map { ($0.size(2), $0.size(3)) }) } ?? hidden
    }
}

extension Transformer2D {
    fileprivate init(_ scope: Scope, level: Int, config: UNet2DConditionConfig) {
        self.init(
            scope, channels: config.blockOutChannels[level], context: config.crossAttentionWidth,
            heads: config.heads[level], layers: config.transformerLayers[level], groups: config.normGroups,
            linear: config.useLinearProjection)
    }
}

/// The noise-prediction network of latent diffusion (diffusers' `UNet2DConditionModel`).
///
/// Latents [N, inChannels, h, w], time steps [N] (int64 or float), prompt states [N, tokens, crossAttentionWidth] →
/// prediction [N, outChannels, h, w], which the scheduler's `prediction_type` interprets. Latents and states may be of
/// another floating-point type than the weights: they are converted.
public final class UNet2DConditionModel {
    /// The settings that the network was built by.
    public let config: UNet2DConditionConfig
    /// The weights, under the keys of diffusers' `UNet2DConditionModel`.
    public let store: ParameterStore
    private let convIn, convOut: Conv2d
    private let time1, time2: Linear
    private let guidanceProjection: Linear?
    private let textEmbedding: TextTimeEmbedding?
    private let down: [DownBlock]
    private let midFirst, midSecond: ResnetBlock2D
    private let midAttention: Transformer2D
    private let up: [UpBlock]
    private let norm: GroupNorm

    /// Builds the network in a store: with fresh weights, or with a checkpoint's.
    public init(_ store: ParameterStore, _ config: UNet2DConditionConfig) {
        self.config = config
        self.store = store
        let root = store.root
        let channels = config.blockOutChannels
        let timeWidth = channels[0] * 4
        let last = channels.count - 1
        convIn = Conv2d(root / "conv_in", in: config.inChannels, out: channels[0], kernel: 3, padding: 1)
        time1 = Linear(root / "time_embedding" / "linear_1", in: channels[0], out: timeWidth)
        time2 = Linear(root / "time_embedding" / "linear_2", in: timeWidth, out: timeWidth)
        guidanceProjection = config.guidanceWidth.map {
            Linear(root / "time_embedding" / "cond_proj", in: $0, out: channels[0], bias: false)
        }
        textEmbedding = config.textEmbeddingHeads.map {
            TextTimeEmbedding(
                root / "add_embedding", width: config.crossAttentionWidth, timeWidth: timeWidth, heads: $0)
        }
        down = channels.indices.map {
            DownBlock(root / "down_blocks" / $0, level: $0, config: config, timeWidth: timeWidth)
        }
        let mid = root / "mid_block"
        midFirst = ResnetBlock2D(
            mid / "resnets" / 0, in: channels[last], out: channels[last], timeWidth: timeWidth,
            groups: config.normGroups, epsilon: config.normEpsilon)
        midAttention = Transformer2D(mid / "attentions" / 0, level: last, config: config)
        midSecond = ResnetBlock2D(
            mid / "resnets" / 1, in: channels[last], out: channels[last], timeWidth: timeWidth,
            groups: config.normGroups, epsilon: config.normEpsilon)
        up = channels.indices.map {
            UpBlock(root / "up_blocks" / $0, index: $0, config: config, timeWidth: timeWidth)
        }
        norm = GroupNorm(
            root / "conv_norm_out", groups: config.normGroups, channels: channels[0], epsilon: config.normEpsilon)
        convOut = Conv2d(root / "conv_out", in: channels[0], out: config.outChannels, kernel: 3, padding: 1)
    }

    /// Sines and cosines of the time steps [N] → [N, channels of the first level] (Vaswani et al. 2017).
    private func timeEmbedding(_ timesteps: Tensor) -> Tensor {
        let half = config.blockOutChannels[0] / 2
        let exponent =
            Tensor.arange(to: Double(half), device: timesteps.device)
            * (-Foundation.log(10000.0) / (Double(half) - config.frequencyShift))
        let angles = timesteps.to(dtype: .float32).unsqueezed(1) * exponent.exp().unsqueezed(0)
        let parts = config.flipSinToCos ? [angles.cos(), angles.sin()] : [angles.sin(), angles.cos()]
        return .concatenated(parts, dimension: 1)
    }

    /// Sines and cosines of a guidance scale → [1, width] (diffusers' `get_guidance_scale_embedding` of scale − 1).
    private func guidanceEmbedding(_ scale: Double, width: Int, device: Device) -> Tensor {
        let half = width / 2
        let exponent =
            Tensor.arange(to: Double(half), device: device) * (-Foundation.log(10000.0) / (Double(half) - 1))
        let angles = (1000 * (scale - 1)) * exponent.exp().unsqueezed(0)
        return .concatenated([angles.sin(), angles.cos()], dimension: 1)
    }

    /// The prediction [N, outChannels, h, w] for noisy latents [N, inChannels, h, w].
    /// - Parameters:
    ///   - guidanceScale: for a model with ``UNet2DConditionConfig/guidanceWidth``, the classifier-free guidance that it is to
    ///     imitate in its one evaluation; others do not look at it.
    ///   - injection: what the decoder's self-attentions take from the batch's last rows: as many contents, then styles, as
    ///     `count` says.
    public func callAsFunction(
        _ latents: Tensor, timesteps: Tensor, context: Tensor, guidanceScale: Double? = nil,
        injection: (attention: AttentionInjection, count: Int)? = nil
    ) -> Tensor {
        let maps = run(latents, timesteps, context, guidanceScale, injection, until: nil) { _, _ in }
        return convOut(norm(maps, silu: true))
    }

    /// The maps that blocks give, as hooks on diffusers' modules would see them: of a block on the way down or up after its
    /// sampler. What lies above the last of them is not computed.
    /// - Parameter blocks: blocks that the network has (``blocks``).
    /// - Returns: [N, channels, h, w] of each.
    public func maps(
        of blocks: Set<UNetBlock>, _ latents: Tensor, timesteps: Tensor, context: Tensor
    ) -> [UNetBlock: Tensor] {
        var found: [UNetBlock: Tensor] = [:]
        guard let last = self.blocks.last(where: blocks.contains) else { return found }
        _ = run(latents, timesteps, context, nil, nil, until: last) { block, maps in
            if blocks.contains(block) { found[block] = maps }
        }
        return found
    }

    /// All blocks, in the order in which they are computed.
    public var blocks: [UNetBlock] {
        down.indices.map { .down($0) } + [.mid] + up.indices.map { .up($0) }
    }

    /// Channels of the maps that a block gives.
    public func channels(of block: UNetBlock) -> Int {
        let channels = config.blockOutChannels
        return switch block {
        case .down(let level): channels[level]
        case .mid: channels[channels.count - 1]
        case .up(let index): channels[channels.count - 1 - index]
        }
    }

    /// The maps after the block `last`, or before the last convolution.
    /// - Parameter visit: given the maps of each block.
    private func run(
        _ latents: Tensor, _ timesteps: Tensor, _ context: Tensor, _ guidanceScale: Double?,
        _ injection: (attention: AttentionInjection, count: Int)?, until last: UNetBlock?,
        visit: (UNetBlock, Tensor) -> Void
    ) -> Tensor {
        store.verifyBeforeUse()
        let latents = latents.to(dtype: store.dtype)
        let context = context.to(dtype: store.dtype)
        var embedding = timeEmbedding(timesteps).to(dtype: store.dtype)
        if let guidanceProjection, let guidanceScale, let width = config.guidanceWidth {
            let guidance = guidanceEmbedding(guidanceScale, width: width, device: latents.device)
            embedding = embedding + guidanceProjection(guidance.to(dtype: store.dtype))
        }
        var time = time2(time1(embedding).silu())
        if let textEmbedding { time = time + textEmbedding(context) }
        time = time.silu()
        var hidden = convIn(latents)
        var skips = [hidden]
        for (level, block) in down.enumerated() {
            hidden = block(hidden, time: time, context: context, skips: &skips)
            visit(.down(level), hidden)
            if last == .down(level) { return hidden }
        }
        let mid = store.root / "mid_block" / "resnets"
        hidden = (mid / 0).layer(hidden, time) { [midFirst] in midFirst($0[0], time: $0[1]) }
        hidden = midAttention.layer(hidden, context)
        hidden = (mid / 1).layer(hidden, time) { [midSecond] in midSecond($0[0], time: $0[1]) }
        visit(.mid, hidden)
        if last == .mid { return hidden }
        let injected = injection.map { InjectedBatch(injection: $0.attention, count: $0.count) }
        // The first of the decoder's blocks that take part.
        let first = up.indices.filter { config.upAttention[$0] }.suffix(injection?.attention.blocks ?? 0).first
        for (index, block) in up.enumerated() {
            hidden = block(
                hidden, time: time, context: context, skips: &skips,
                injected: first.map { index >= $0 } == true ? injected : nil)
            visit(.up(index), hidden)
            if last == .up(index) { return hidden }
        }
        return hidden
    }
}
