import Foundation
import Torch

/// Finds and reads the weights of one part of a model folder.
enum ModelWeights {
    /// Opens the weights called `stem` in `folder`, whichever of the published forms they have: one `.safetensors` file,
    /// several with an index, or PyTorch's own `.bin`; each also as a variant (`stem.fp16.safetensors`).
    ///
    /// Of several the one is taken that `dtype` can be made of with the least loss: its own variant, else the full one.
    /// - Parameters:
    ///   - stems: file names without their ending, the preferred one first.
    ///   - rename: what a key of an old checkpoint is called today.
    /// - Throws: ``ModelError`` or `FileFormatError`, one line naming the file.
    static func store(
        folder: String, stems: [String], device: Device, dtype: DType, rename: (String) -> String = { $0 }
    ) throws -> ParameterStore {
        let names = names(stems, dtype)
        guard let path = names.map({ "\(folder)/\($0)" }).first(where: FileManager.default.fileExists) else {
            throw ModelError(path: folder, "holds no weights; wanted \(stems[0]).safetensors")
        }
        let state = try StateDict(contentsOf: path)
        return ParameterStore(state.renamed(rename), name: path, device: device, dtype: dtype)
    }

    /// What the weights may be called, the preferred name first.
    static func names(_ stems: [String], _ dtype: DType) -> [String] {
        let variants =
            switch dtype {
            case .float16: ["fp16.", "", "bf16."]
            case .bfloat16: ["bf16.", "", "fp16."]
            default: ["", "fp16.", "bf16."]
            }
        func named(_ make: (_ stem: String, _ variant: String) -> [String]) -> [String] {
            variants.flatMap { variant in stems.flatMap { make($0, variant) } }
        }
        return named { ["\($0).\($1)safetensors", "\($0).safetensors.index.\($1)json"] } + named { ["\($0).\($1)bin"] }
    }

    /// Chooses the weights' layout. On a CPU, in a type of its kernels, they stay in the file's memory and are packed as they
    /// are first used; elsewhere convolutions are the faster for channels-last weights.
    static func layOut(_ store: ParameterStore) {
        if store.device == .cpu, store.dtype.isPacked {
            store.packsWeights = true
        } else {
            store.useChannelsLast()
        }
    }
}

extension AutoencoderKL {
    /// Reads a `vae/` folder: `config.json` and `diffusion_pytorch_model.safetensors`.
    /// - Parameter dtype: type of the weights; float32 in place of float16 where the configuration says that the
    ///   activations overflow (`force_upcast`).
    /// - Throws: ``ModelError``, `FileFormatError` or `UserError`, one line naming the file and what is wrong.
    public convenience init(folder: String, device: Device = .cpu, dtype: DType = .float32) throws {
        let config = try AutoencoderKLConfig(path: "\(folder)/config.json")
        let store = try ModelWeights.store(
            folder: folder, stems: ["diffusion_pytorch_model"], device: device,
            dtype: dtype == .float16 && config.needsFloat32 ? .float32 : dtype, rename: Self.currentName)
        try self.init(verifying: store, config)
    }

    /// A model of a checkpoint's tensors, all of which it must have.
    convenience init(verifying store: ParameterStore, _ config: AutoencoderKLConfig) throws {
        self.init(store, config)
        try store.verify()
        ModelWeights.layOut(store)
    }

    /// The checkpoints of Stable Diffusion 1.x call the parts of the attention layer otherwise.
    static func currentName(_ key: String) -> String {
        guard key.contains("mid_block.attentions.") else { return key }
        let names = [".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."]
        return names.first { key.contains($0.key) }.map { key.replacingOccurrences(of: $0.key, with: $0.value) } ?? key
    }
}

extension UNet2DConditionModel {
    /// Reads a `unet/` folder: `config.json` and `diffusion_pytorch_model.safetensors`.
    /// - Throws: ``ModelError``, `FileFormatError` or `UserError`, one line naming the file and what is wrong.
    public convenience init(folder: String, device: Device = .cpu, dtype: DType = .float32) throws {
        let config = try UNet2DConditionConfig(path: "\(folder)/config.json")
        let store = try ModelWeights.store(
            folder: folder, stems: ["diffusion_pytorch_model"], device: device, dtype: dtype)
        try self.init(verifying: store, config)
    }

    /// A model of a checkpoint's tensors, all of which it must have.
    convenience init(verifying store: ParameterStore, _ config: UNet2DConditionConfig) throws {
        self.init(store, config)
        try store.verify()
        ModelWeights.layOut(store)
    }
}

extension CLIPTextModel {
    /// Reads a `text_encoder/` folder: `config.json` and `model.safetensors`.
    /// - Throws: ``ModelError``, `FileFormatError` or `UserError`, one line naming the file and what is wrong.
    public convenience init(folder: String, device: Device = .cpu, dtype: DType = .float32) throws {
        let config = try CLIPTextConfig(path: "\(folder)/config.json")
        // Newer versions of transformers leave the prefix out.
        let store = try ModelWeights.store(
            folder: folder, stems: ["model", "pytorch_model"], device: device, dtype: dtype
        ) { $0.hasPrefix("text_model.") ? $0 : "text_model." + $0 }
        try self.init(verifying: store, config)
    }

    /// A model of a checkpoint's tensors, all of which it must have.
    convenience init(verifying store: ParameterStore, _ config: CLIPTextConfig) throws {
        self.init(store, config)
        try store.verify(ignoring: Self.isIgnorable)
        ModelWeights.layOut(store)
    }
}
