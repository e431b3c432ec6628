import Foundation
import Foundations
import Torch

/// Low-rank adapters (LoRA, Hu et al. 2021) of a latent diffusion model in one `.safetensors` file.
///
/// Read are diffusers' names (`unet.….to_q.lora.down.weight`, `text_encoder.….q_proj.lora_linear_layer.up.weight`), peft's
/// (`….lora_A.weight`) and those of kohya's scripts (`lora_unet_…_to_q.lora_down.weight`, with `alpha`); written are
/// diffusers'.
///
/// ```swift
/// try model.merge(LoRAFile(path: "style.safetensors"), scale: 0.8)
/// ```
public struct LoRAFile {
    /// The part of the model that an adapter belongs to; its name in keys and of its folder.
    public enum Part: String, Sendable, CaseIterable {
        /// The noise-prediction network.
        case unet
        /// The encoder of prompts.
        case textEncoder = "text_encoder"
    }

    /// The adapter of one layer: W becomes W + α/r · up · down.
    public struct Layer {
        /// The network that the layer is in.
        public let part: Part
        /// The layer's name in the file, without its part.
        public let name: String
        /// Whether the name has underscores for dots, as kohya's have.
        let isFlat: Bool
        /// A: [r, in], or [r, in, k, k] of a convolution.
        public let down: Tensor
        /// B: [out, r], or [out, r, 1, 1].
        public let up: Tensor
        /// α/r, or what the file's settings have in its place.
        public let scale: Double
    }

    /// The file that was read.
    public let path: String
    /// The adapters in the order of the file.
    public let layers: [Layer]

    /// The name that diffusers looks for in a folder.
    public static let fileName = "pytorch_lora_weights.safetensors"
    /// Where diffusers keeps the adapters' settings among the file's metadata.
    private static let metadataKey = "lora_adapter_metadata"

    /// Reads a file of adapters in any of the three forms.
    /// - Parameter path: a file, or a folder with ``fileName`` in it.
    /// - Throws: `FileFormatError` or ``ModelError``, one line naming the file and what is wrong.
    public init(path: String) throws {
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        let file = exists && isFolder.boolValue ? "\(path)/\(Self.fileName)" : path
        let state = try StateDict(contentsOf: file)
        // A file of PyTorch has no place for settings.
        let header = try? SafetensorsHeader.parse(MappedFile(path: file))
        let settings = try AdapterSettings(header?.metadata[Self.metadataKey], file)
        var found: [LoRAKey.Layer: [LoRAKey.Role: Tensor]] = [:]
        var order: [LoRAKey.Layer] = []
        var unknown: [String] = []
        for name in state.names {
            guard let key = LoRAKey(name), let tensor = state[name], tensor.dtype.isFloatingPoint else {
                unknown.append(name)
                continue
            }
            if found[key.layer] == nil { order.append(key.layer) }
            found[key.layer, default: [:]][key.role] = tensor
        }
        if let kind = Self.otherKinds.first(where: { mark, _ in unknown.contains { $0.contains(mark) } })?.name {
            throw ModelError(path: file, "\(kind), which is another kind of adapter than LoRA and is not supported")
        }
        guard unknown.isEmpty else {
            throw ModelError(
                path: file, "not adapters of Stable Diffusion: \(Self.list(unknown)); name a LoRA of diffusers")
        }
        guard !order.isEmpty else { throw ModelError(path: file, "holds no adapters; name a LoRA of diffusers") }
        layers = try order.map { layer in
            guard let down = found[layer]?[.down], let up = found[layer]?[.up] else {
                throw ModelError(path: file, "\(layer): one half of the adapter is missing; fetch the file again")
            }
            guard down.rank >= 2, up.rank >= 2, down.size(0) == up.size(1), down.size(0) > 0 else {
                throw ModelError(
                    path: file, "\(layer): halves of shapes \(down.shape) and \(up.shape) do not fit; fetch it again")
            }
            let alpha = found[layer]?[.alpha].flatMap { $0.count == 1 ? $0.item() : nil }
            return Layer(
                part: layer.part, name: layer.name, isFlat: layer.isFlat, down: down, up: up,
                scale: alpha.map { $0 / Double(down.size(0)) } ?? settings.scale(layer, rank: down.size(0)))
        }
        self.path = file
    }

    /// Kinds of adapters that are not read, by what their keys hold.
    private static let otherKinds: [(mark: String, name: String)] = [
        (mark: ".hada_w", name: "a LoHa (LyCORIS)"), (".lokr_w", "a LoKr (LyCORIS)"), (".dora_scale", "a DoRA"),
        (".lora_magnitude_vector", "a DoRA"), (".lora_mid.", "a LoCon with a core (LyCORIS)"), (".oft_", "an OFT"),
        (".boft_", "a BOFT"), ("ia3_l", "an (IA)³"), (".on_input", "an (IA)³ (LyCORIS)"),
        (".glora_", "a GLoRA"), (".diff_b", "a whole change of the weights (LyCORIS)"),
        (".diff", "a whole change of the weights (LyCORIS)"), ("emb_params", "a textual inversion"),
        ("string_to_param", "a textual inversion"),
    ]

    /// A few names of many.
    static func list(_ names: [String]) -> String {
        names.prefix(4).joined(separator: ", ") + (names.count > 4 ? " and \(names.count - 4) more" : "")
    }

    /// Writes adapters as diffusers' `save_lora_weights` does, with its names and settings.
    /// - Throws: `FileFormatError`.
    static func write(_ parts: [(part: Part, adapters: LowRankAdapters)], to path: String) throws {
        var state = StateDict()
        var settings: [String: JSONValue] = [:]
        for (part, adapters) in parts {
            let infix = part == .unet ? "lora" : "lora_linear_layer"
            for layer in adapters.layers {
                state["\(part.rawValue).\(layer.name).\(infix).down.weight"] = layer.down
                state["\(part.rawValue).\(layer.name).\(infix).up.weight"] = layer.up
            }
            // What peft's LoraConfig needs to be made again; all else has its defaults.
            let values: [String: JSONValue] = [
                "peft_type": "LORA", "r": .int(adapters.rank),
                "lora_alpha": Int(exactly: adapters.alpha).map(JSONValue.int) ?? .double(adapters.alpha),
                "lora_dropout": 0.0, "bias": "none",
                "target_modules": .array(adapters.targets.map(JSONValue.string)), "rank_pattern": [:],
                "alpha_pattern": [:],
                "use_dora": false, "use_rslora": false,
            ]
            for (key, value) in values { settings["\(part.rawValue).\(key)"] = value }
        }
        try state.write(
            safetensors: path, metadata: ["format": "pt", metadataKey: JSONValue.object(settings).prettyText])
    }
}

/// A key of a file of adapters.
struct LoRAKey {
    enum Role { case down, up, alpha }

    struct Layer: Hashable, CustomStringConvertible {
        let part: LoRAFile.Part
        let name: String
        let isFlat: Bool

        var description: String { isFlat ? name : "\(part.rawValue).\(name)" }
    }

    let layer: Layer
    let role: Role

    private static let endings: [(String, Role)] = [
        (".lora.down.weight", .down), (".lora.up.weight", .up), (".lora_A.weight", .down), (".lora_B.weight", .up),
        (".lora_linear_layer.down.weight", .down), (".lora_linear_layer.up.weight", .up),
        (".lora_down.weight", .down), (".lora_up.weight", .up), (".alpha", .alpha),
    ]
    private static let prefixes: [(String, LoRAFile.Part, isFlat: Bool)] = [
        ("unet.", .unet, false), ("text_encoder.", .textEncoder, false),
        ("lora_unet_", .unet, true), ("lora_te_", .textEncoder, true), ("lora_te1_", .textEncoder, true),
    ]

    /// Nil for any other key.
    init?(_ key: String) {
        guard let (prefix, part, isFlat) = Self.prefixes.first(where: { key.hasPrefix($0.0) }),
            let (ending, role) = Self.endings.first(where: { key.hasSuffix($0.0) }),
            key.count > prefix.count + ending.count
        else { return nil }
        layer = Layer(part: part, name: String(key.dropFirst(prefix.count).dropLast(ending.count)), isFlat: isFlat)
        self.role = role
    }
}

/// peft's settings of the adapters in a file, as diffusers writes them: `unet.lora_alpha`.
private struct AdapterSettings {
    private let values: [String: JSONValue]

    /// - Throws: ``ModelError`` for settings that are not understood, by name.
    init(_ json: String?, _ path: String) throws {
        guard let json else {
            values = [:]
            return
        }
        guard let object = try? JSONFile.object(json, in: path) else {
            throw ModelError(path: path, "the adapters' settings in its header are no JSON object; fetch it again")
        }
        values = object
        for part in LoRAFile.Part.allCases {
            for key in ["use_dora", "lora_bias"] where object["\(part.rawValue).\(key)"]?.bool == true {
                throw ModelError(path: path, "\(key) is not supported; name a plain LoRA")
            }
        }
    }

    /// α/r; 1 where the file says nothing, as diffusers takes it.
    func scale(_ layer: LoRAKey.Layer, rank: Int) -> Double {
        func setting(_ key: String) -> JSONValue? { values["\(layer.part.rawValue).\(key)"] }
        guard var alpha = setting("lora_alpha")?.double else { return 1 }
        let patterns = (setting("alpha_pattern")?.object ?? [:]).sorted { $0.key < $1.key }
        for (pattern, value) in patterns {
            let end = pattern.hasPrefix("^") ? String(pattern.dropFirst()) : pattern
            if layer.name == end || layer.name.hasSuffix("." + end), let own = value.double { alpha = own }
        }
        let isRankStabilised = setting("use_rslora")?.bool == true
        return alpha / (isRankStabilised ? Double(rank).squareRoot() : Double(rank))
    }
}
