import Foundation
import Torch

/// Finds and reads the weights of one part of a model folder.
enum ModelWeights {
    /// Opens `folder/stem.safetensors`, or the float16 variant, or PyTorch's own format (`stem.bin`).
    /// - Parameters:
    ///   - stems: file names without their ending, the preferred one first.
    ///   - rename: what a key of an old checkpoint is called today.
    /// - Throws: ``ModelError`` or `FileFormatError`, one line naming the file.
    static func store(
        folder: String, stems: [String], device: Device, dtype: DType, rename: (String) -> String = { $0 }
    ) throws -> ParameterStore {
        let names = stems.flatMap { ["\($0).safetensors", "\($0).fp16.safetensors"] }
            + stems.flatMap { ["\($0).bin", "\($0).fp16.bin"] }
        let paths = names.map { "\(folder)/\($0)" }
        guard let path = paths.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw ModelError(path: folder, "holds no weights; wanted \(names[0])")
        }
        let state = path.hasSuffix(".bin") ? try StateDict(pth: path) : try StateDict(safetensors: path)
        return ParameterStore(state.renamed(rename), name: path, device: device, dtype: dtype)
    }
}

extension AutoencoderKL {
    /// Reads a `vae/` folder: `config.json` and `diffusion_pytorch_model.safetensors`.
    /// - Throws: ``ModelError``, `FileFormatError` or `TorchError`, one line naming the file and what is wrong.
    public convenience init(folder: String, device: Device = .cpu, dtype: DType = .float32) throws {
        let config = try AutoencoderKLConfig(path: "\(folder)/config.json")
        let store = try ModelWeights.store(
            folder: folder, stems: ["diffusion_pytorch_model"], device: device, dtype: dtype, rename: Self.currentName)
        self.init(store, config)
        try store.verify()
        store.useChannelsLast()
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
    /// - Throws: ``ModelError``, `FileFormatError` or `TorchError`, one line naming the file and what is wrong.
    public convenience init(folder: String, device: Device = .cpu, dtype: DType = .float32) throws {
        let config = try UNet2DConditionConfig(path: "\(folder)/config.json")
        let store = try ModelWeights.store(
            folder: folder, stems: ["diffusion_pytorch_model"], device: device, dtype: dtype)
        self.init(store, config)
        try store.verify()
        store.useChannelsLast()
    }
}

extension CLIPTextModel {
    /// Reads a `text_encoder/` folder: `config.json` and `model.safetensors`.
    /// - Throws: ``ModelError``, `FileFormatError` or `TorchError`, one line naming the file and what is wrong.
    public convenience init(folder: String, device: Device = .cpu, dtype: DType = .float32) throws {
        let config = try CLIPTextConfig(path: "\(folder)/config.json")
        // Newer versions of transformers leave the prefix out.
        let store = try ModelWeights.store(
            folder: folder, stems: ["model", "pytorch_model"], device: device, dtype: dtype
        ) { $0.hasPrefix("text_model.") ? $0 : "text_model." + $0 }
        self.init(store, config)
        try store.verify(ignoring: Self.isIgnorable)
    }
}
