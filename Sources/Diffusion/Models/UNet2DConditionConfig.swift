import Foundations
import Torch

/// Settings of ``UNet2DConditionModel``: diffusers' `unet/config.json`.
public struct UNet2DConditionConfig: Sendable, Equatable {
    /// Side of the latents that it was trained on (`sample_size`): 64 for images of 512 pixels.
    public var sampleSize = 64
    /// Channels of the latents (`in_channels`).
    public var inChannels = 4
    /// Channels of the prediction (`out_channels`).
    public var outChannels = 4
    /// Channels of each level, from the highest resolution down (`block_out_channels`).
    public var blockOutChannels = [320, 640, 1280, 1280]
    /// Whether each level attends to the prompt, from the highest resolution down.
    public var downAttention = [true, true, true, false]
    /// The same for the way up, from the lowest resolution (`up_block_types`).
    public var upAttention = [false, true, true, true]
    /// Residual blocks of each level on the way down; one more on the way up (`layers_per_block`).
    public var layersPerBlock = [2, 2, 2, 2]
    /// Transformer layers of each attention, by level (`transformer_layers_per_block`).
    public var transformerLayers = [1, 1, 1, 1]
    /// Width of the prompt states that it attends to (`cross_attention_dim`).
    public var crossAttentionWidth = 768
    /// Attention heads of each level. (In the file the key is `attention_head_dim`, a misnomer that diffusers keeps.)
    public var heads = [8, 8, 8, 8]
    /// Groups of the group norms, a divisor of all channels (`norm_num_groups`).
    public var normGroups = 32
    /// What group norms add to the variance (`norm_eps`).
    public var normEpsilon = 1e-5
    /// Whether transformers begin and end with linear layers, not 1×1 convolutions, as in Stable Diffusion 2
    /// (`use_linear_projection`).
    public var useLinearProjection = false
    /// Whether cosines stand before sines in the time embedding (`flip_sin_to_cos`).
    public var flipSinToCos = true
    /// How the time embedding's frequencies are spaced (`freq_shift`).
    public var frequencyShift = 0.0
    /// Width of the embedding of the guidance scale that a model distilled with guidance takes (latent consistency
    /// models; `time_cond_proj_dim` in the file), or nil.
    public var guidanceWidth: Int?
    /// Attention heads of the pooling that adds the whole prompt to the time embedding (`addition_embed_type: text` in
    /// the file, as in DeepFloyd IF), or nil for a prompt that only cross-attention sees.
    public var textEmbeddingHeads: Int?

    /// The sizes of Stable Diffusion 1.
    public init() {}

    /// Reads a `config.json`.
    /// - Throws: ``ModelError`` for a setting that is unknown or not supported, by name.
    public init(path: String) throws {
        var reader = try ConfigReader(path: path)
        try reader.requireClass("UNet2DConditionModel")
        sampleSize = try reader.int("sample_size", 64)
        // The first files had a wrong size, which diffusers' pipelines replace.
        let written = try reader.string("_diffusers_version", "1").split(separator: ".").prefix(2).compactMap {
            Int($0)
        }
        if sampleSize < 64, written.lexicographicallyPrecedes([0, 9]) { sampleSize = 64 }
        inChannels = try reader.int("in_channels", 4)
        outChannels = try reader.int("out_channels", 4)
        blockOutChannels = try reader.ints("block_out_channels", blockOutChannels)
        let levels = blockOutChannels.count
        func attends(_ types: [String], _ plain: String, _ crossing: String) throws -> [Bool] {
            guard types.count == levels else {
                throw ModelError(path: path, "\(types.count) block types for \(levels) block_out_channels")
            }
            return try types.map {
                guard $0 == plain || $0 == crossing else {
                    throw ModelError(path: path, "block \($0) is not supported; \(plain) and \(crossing) are")
                }
                return $0 == crossing
            }
        }
        downAttention = try attends(
            reader.strings("down_block_types", downAttention.map { $0 ? "CrossAttnDownBlock2D" : "DownBlock2D" }),
            "DownBlock2D", "CrossAttnDownBlock2D")
        upAttention = try attends(
            reader.strings("up_block_types", upAttention.map { $0 ? "CrossAttnUpBlock2D" : "UpBlock2D" }),
            "UpBlock2D", "CrossAttnUpBlock2D")
        layersPerBlock = try reader.intOrInts("layers_per_block", 2, count: levels)
        transformerLayers = try reader.intOrInts("transformer_layers_per_block", 1, count: levels)
        crossAttentionWidth = try reader.int("cross_attention_dim", 1280)
        let misnamed = try reader.intOrInts("attention_head_dim", 8, count: levels)
        heads = try reader.intOrInts("num_attention_heads", 0, count: levels)
        if heads.allSatisfy({ $0 == 0 }) { heads = misnamed }
        normGroups = try reader.int("norm_num_groups", 32)
        normEpsilon = try reader.double("norm_eps", 1e-5)
        useLinearProjection = try reader.bool("use_linear_projection", false)
        flipSinToCos = try reader.bool("flip_sin_to_cos", true)
        frequencyShift = try reader.double("freq_shift", 0)
        let guidanceWidth = try reader.int("time_cond_proj_dim", 0)
        self.guidanceWidth = guidanceWidth == 0 ? nil : guidanceWidth
        let additionHeads = try reader.int("addition_embed_type_num_heads", 64)
        let addition = try reader.string("addition_embed_type", "")
        guard addition.isEmpty || addition == "text" else {
            throw ModelError(path: path, "addition_embed_type \(addition) is not supported; text is")
        }
        textEmbeddingHeads = addition == "text" ? additionHeads : nil
        try reader.require([
            "act_fn": "silu", "mid_block_type": "UNetMidBlock2DCrossAttn", "downsample_padding": 1,
            "mid_block_scale_factor": 1, "center_input_sample": false, "only_cross_attention": false,
            "dual_cross_attention": false, "class_embed_type": .null,
            "addition_time_embed_dim": .null, "encoder_hid_dim": .null, "encoder_hid_dim_type": .null,
            "num_class_embeds": .null, "resnet_time_scale_shift": "default", "time_embedding_type": "positional",
            "time_embedding_dim": .null, "time_embedding_act_fn": .null, "timestep_post_act": .null,
            "conv_in_kernel": 3, "conv_out_kernel": 3,
            "projection_class_embeddings_input_dim": .null, "attention_type": "default",
            "class_embeddings_concat": false, "mid_block_only_cross_attention": .null,
            "cross_attention_norm": .null, "reverse_transformer_layers_per_block": .null,
            "resnet_skip_time_act": false, "resnet_out_scale_factor": 1,
        ])
        // Attention adds up in float32 whatever the weights' type is, so that there is nothing to upcast.
        reader.ignore(["upcast_attention", "dropout"])
        try reader.finish()
        try reader.checkLevels(blockOutChannels, groups: normGroups, layers: layersPerBlock)
        let attending = blockOutChannels.indices.filter {
            $0 == levels - 1 || downAttention[$0] || upAttention[levels - 1 - $0]
        }
        try reader.check(
            attending.allSatisfy { heads[$0] > 0 && blockOutChannels[$0] % heads[$0] == 0 },
            "attention_head_dim (the number of heads) \(heads) does not divide block_out_channels \(blockOutChannels)")
        try reader.check(
            textEmbeddingHeads.map { $0 > 0 && crossAttentionWidth % $0 == 0 } ?? true,
            "addition_embed_type_num_heads \(additionHeads) does not divide cross_attention_dim \(crossAttentionWidth)")
        try reader.check(
            transformerLayers.allSatisfy { (1...256).contains($0) } && (1...65_536).contains(crossAttentionWidth)
                && (1...4096).contains(inChannels) && (1...4096).contains(outChannels)
                && (1...65_536).contains(sampleSize) && blockOutChannels[0] % 2 == 0
                && (guidanceWidth == 0 || (4...65_536).contains(guidanceWidth) && guidanceWidth % 2 == 0)
                && zip(layersPerBlock, transformerLayers).reduce(0) { $0 + $1.0 * $1.1 } <= 1024,
            "channels, cross_attention_dim, layers, time_cond_proj_dim or sample_size out of range")
    }

    /// The `config.json` that diffusers reads.
    public var json: [String: JSONValue] {
        // One number where all levels have the same, as diffusers writes it.
        func shared(_ numbers: [Int]) -> JSONValue {
            Set(numbers).count == 1 ? .int(numbers[0]) : JSONValue(numbers)
        }
        var json: [String: JSONValue] = [
            "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.30.0", "act_fn": "silu",
            "sample_size": .int(sampleSize), "in_channels": .int(inChannels), "out_channels": .int(outChannels),
            "block_out_channels": JSONValue(blockOutChannels),
            "down_block_types": JSONValue(downAttention.map { $0 ? "CrossAttnDownBlock2D" : "DownBlock2D" }),
            "up_block_types": JSONValue(upAttention.map { $0 ? "CrossAttnUpBlock2D" : "UpBlock2D" }),
            "layers_per_block": shared(layersPerBlock),
            "transformer_layers_per_block": shared(transformerLayers),
            "cross_attention_dim": .int(crossAttentionWidth),
            "attention_head_dim": shared(heads),
            "norm_num_groups": .int(normGroups), "norm_eps": .double(normEpsilon),
            "use_linear_projection": .bool(useLinearProjection),
            "flip_sin_to_cos": .bool(flipSinToCos), "freq_shift": .int(Int(frequencyShift)),
            "center_input_sample": false,
            "downsample_padding": 1, "mid_block_scale_factor": 1,
        ]
        if let guidanceWidth { json["time_cond_proj_dim"] = .int(guidanceWidth) }
        if let textEmbeddingHeads {
            json["addition_embed_type"] = "text"
            json["addition_embed_type_num_heads"] = .int(textEmbeddingHeads)
        }
        return json
    }
}
