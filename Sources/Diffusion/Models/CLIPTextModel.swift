import Foundations
import Torch

/// Settings of ``CLIPTextModel``: transformers' `text_encoder/config.json`.
public struct CLIPTextConfig: Sendable, Equatable {
    /// Number of tokens that there are (`vocab_size`).
    public var vocabularySize = 49408
    /// Width of the states (`hidden_size`).
    public var width = 512
    /// Width of the layers between the states (`intermediate_size`).
    public var feedForwardWidth = 2048
    /// Number of transformer layers (`num_hidden_layers`).
    public var layers = 12
    /// Attention heads of each layer, a divisor of the width (`num_attention_heads`).
    public var heads = 8
    /// Tokens of a prompt, padding among them (`max_position_embeddings`).
    public var length = 77
    /// The activation by its name in the file: `quick_gelu` or `gelu` (`hidden_act`).
    public var activation = "quick_gelu"
    /// What layer norms add to the variance (`layer_norm_eps`).
    public var epsilon = 1e-5

    /// transformers' defaults for what a file leaves out.
    public init() {}

    /// Reads a `config.json`.
    /// - Throws: ``ModelError`` for a setting that is unknown or not supported, by name.
    public init(path: String) throws {
        var reader = try ConfigReader(path: path)
        try reader.requireClass("CLIPTextModel", key: "architectures")
        vocabularySize = try reader.int("vocab_size", 49408)
        width = try reader.int("hidden_size", 512)
        feedForwardWidth = try reader.int("intermediate_size", 2048)
        layers = try reader.int("num_hidden_layers", 12)
        heads = try reader.int("num_attention_heads", 8)
        length = try reader.int("max_position_embeddings", 77)
        activation = try reader.string("hidden_act", "quick_gelu")
        epsilon = try reader.double("layer_norm_eps", 1e-5)
        guard ["quick_gelu", "gelu"].contains(activation) else {
            throw ModelError(path: path, "hidden_act \(activation) is not supported; quick_gelu and gelu are")
        }
        try reader.require(["model_type": "clip_text_model"])
        reader.ignore([
            "attention_dropout", "bos_token_id", "dropout", "dtype", "eos_token_id",
            "initializer_factor", "initializer_range", "pad_token_id", "projection_dim", "torch_dtype",
            "transformers_version",
        ])
        try reader.finish()
        try reader.check(
            (1...65_536).contains(width) && heads > 0 && width % heads == 0,
            "hidden_size \(width) is not a multiple of num_attention_heads, \(heads)")
        try reader.check(
            (1...10_000_000).contains(vocabularySize) && (1...1_000_000).contains(feedForwardWidth)
                && (1...1000).contains(layers) && (1...100_000).contains(length),
            "vocab_size, intermediate_size, num_hidden_layers or max_position_embeddings out of range")
    }

    /// The `config.json` that transformers reads.
    public var json: [String: JSONValue] {
        [
            "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "vocab_size": .int(vocabularySize),
            "hidden_size": .int(width), "intermediate_size": .int(feedForwardWidth), "num_hidden_layers": .int(layers),
            "num_attention_heads": .int(heads), "max_position_embeddings": .int(length),
            "hidden_act": .string(activation),
            "layer_norm_eps": .double(epsilon), "projection_dim": .int(width), "bos_token_id": 49406,
            "eos_token_id": 49407,
            "pad_token_id": 1, "attention_dropout": 0.0, "torch_dtype": "float32",
        ]
    }
}

private struct EncoderLayer {
    let norm1, norm2: LayerNorm
    let query, key, value, output, fc1, fc2: Linear

    init(_ scope: Scope, _ config: CLIPTextConfig) {
        let attention = scope / "self_attn"
        norm1 = LayerNorm(scope / "layer_norm1", width: config.width, epsilon: config.epsilon)
        query = Linear(attention / "q_proj", in: config.width, out: config.width)
        key = Linear(attention / "k_proj", in: config.width, out: config.width)
        value = Linear(attention / "v_proj", in: config.width, out: config.width)
        output = Linear(attention / "out_proj", in: config.width, out: config.width)
        norm2 = LayerNorm(scope / "layer_norm2", width: config.width, epsilon: config.epsilon)
        fc1 = Linear(scope / "mlp" / "fc1", in: config.width, out: config.feedForwardWidth)
        fc2 = Linear(scope / "mlp" / "fc2", in: config.feedForwardWidth, out: config.width)
    }

    func callAsFunction(_ x: Tensor, heads: Int, quick: Bool) -> Tensor {
        func split(_ tokens: Tensor) -> Tensor {
            tokens.reshaped(tokens.size(0), tokens.size(1), heads, tokens.size(2) / heads).transposed(1, 2)
        }
        let normed = norm1(x)
        let mixed = split(query(normed)).attention(keys: split(key(normed)), values: split(value(normed)), causal: true)
        let attended = x + output(mixed.transposed(1, 2).flattened(from: 2))
        let hidden = fc1(norm2(attended))
        return attended + fc2(quick ? hidden.quickGELU() : hidden.gelu())
    }
}

/// CLIP's text transformer (Radford et al. 2021; transformers' `CLIPTextModel`): token ids [N, length] →
/// the last layer's states after the final norm [N, length, width], what Stable Diffusion attends to. (Stable Diffusion
/// 2.x attends to the last layer but one of OpenCLIP's 24: its file has 23 layers.)
public final class CLIPTextModel {
    /// The settings that the network was built by.
    public let config: CLIPTextConfig
    /// The weights, under the keys of transformers' `CLIPTextModel`.
    public let store: ParameterStore
    private let tokens, positions: Embedding
    private let layers: [EncoderLayer]
    private let finalNorm: LayerNorm

    /// Builds the network in a store: with fresh weights, or with a checkpoint's.
    public init(_ store: ParameterStore, _ config: CLIPTextConfig) {
        self.config = config
        self.store = store
        let scope = store.root / "text_model"
        tokens = Embedding(
            scope / "embeddings" / "token_embedding", entries: config.vocabularySize, width: config.width,
            weightInit: .normal(deviation: 0.02))
        positions = Embedding(
            scope / "embeddings" / "position_embedding", entries: config.length, width: config.width,
            weightInit: .normal(deviation: 0.01))
        layers = (0..<config.layers).map { EncoderLayer(scope / "encoder" / "layers" / $0, config) }
        finalNorm = LayerNorm(scope / "final_layer_norm", width: config.width, epsilon: config.epsilon)
    }

    /// Keys of old checkpoints that carry no weights.
    static func isIgnorable(_ key: String) -> Bool { key.hasSuffix("position_ids") }

    /// States of prompts: token ids [N, length] (int64) → [N, length, width].
    public func callAsFunction(_ ids: Tensor) -> Tensor {
        store.verifyBeforeUse()
        var hidden = tokens(ids) + positions.weight[0..<ids.size(1)]
        let (heads, isQuick) = (config.heads, config.activation == "quick_gelu")
        for (index, layer) in layers.enumerated() {
            let scope = store.root / "text_model" / "encoder" / "layers" / index
            hidden = scope.layer(hidden) { layer($0[0], heads: heads, quick: isQuick) }
        }
        return finalNorm(hidden)
    }
}
