import Foundation
import Foundations
import Torch

extension FineTuner {
    /// Writes the adapters, averaged ones if there are such, as diffusers' `load_lora_weights` reads them.
    /// - Parameter path: a `.safetensors` file.
    /// - Throws: `FileFormatError`, or `TorchError` where the weights themselves are trained.
    public func writeLoRA(to path: String) throws {
        var parts: [(LoRAFile.Part, LowRankAdapters)] = []
        if let adapters = model.unet.store.adapters { parts.append((.unet, adapters)) }
        if let adapters = model.textEncoder.store.adapters { parts.append((.textEncoder, adapters)) }
        guard !parts.isEmpty else { throw UserError("\(path): no adapters were trained; write the whole model") }
        try withAverage { try LoRAFile.write(parts, to: path) }
    }

    /// Writes a whole model folder in diffusers layout with the trained weights, averaged ones if there are such.
    /// - Parameter dtype: the type of the trained parts' weights.
    /// - Throws: `FileFormatError` naming a file that cannot be read or written.
    public func writeModel(to folder: String, dtype: DType = .float32) throws {
        try withAverage {
            try model.write(
                to: folder, dtype: dtype, changed: options.trainsTextEncoder ? [.unet, .textEncoder] : [.unet])
        }
    }
}

extension LatentDiffusionModel {
    /// Writes a whole model folder in diffusers layout: the changed parts with the weights in memory, all else as in the
    /// folder that the model was read from.
    /// - Parameters:
    ///   - dtype: the type of the changed parts' weights.
    ///   - changed: parts with other weights than their files.
    /// - Throws: `FileFormatError` naming a file that cannot be read or written.
    public func write(to folder: String, dtype: DType, changed: Set<LoRAFile.Part>) throws {
        func same(_ a: String, _ b: String) -> Bool {
            URL(fileURLWithPath: a).resolvingSymlinksInPath().path
                == URL(fileURLWithPath: b).resolvingSymlinksInPath().path
        }
        guard !same(folder, path) else {
            throw FileFormatError(
                path: folder, problem: "is the model that is read", remedy: "write to another folder")
        }
        var changed = changed
        if isSingleFile {
            changed = Set(LoRAFile.Part.allCases)
            try writeParts(to: folder)
        }
        for part in isSingleFile ? [] : ["vae", "tokenizer", "scheduler", "unet", "text_encoder"] {
            let isChanged = LoRAFile.Part(rawValue: part).map(changed.contains) ?? false
            try ModelFolder.copy("\(path)/\(part)", to: "\(folder)/\(part)") { name in
                // Of a changed part the settings only; and no weights in a type that is not read here.
                !isChanged || name.hasSuffix(".json") && !name.contains(".safetensors.index")
            }
        }
        if changed.contains(.unet) {
            try unet.store.state.write(
                safetensors: "\(folder)/unet/diffusion_pytorch_model.safetensors", dtype: dtype)
        }
        if changed.contains(.textEncoder) {
            try textEncoder.store.state.write(safetensors: "\(folder)/text_encoder/model.safetensors", dtype: dtype)
        }
        // Last, so that a folder with it is complete.
        try ModelFolder.copyIndex(
            from: path, to: folder, vae: vae is AutoencoderTiny ? "AutoencoderTiny" : "AutoencoderKL",
            scheduler: schedulerConfig.className)
    }

    /// The parts of a model of one file that no training changes, and the settings of the others.
    private func writeParts(to folder: String) throws {
        try tokenizer.write(to: "\(folder)/tokenizer")
        try AtomicFile.makeFolder("\(folder)/scheduler")
        try schedulerConfig.write(to: "\(folder)/scheduler/scheduler_config.json")
        if let vae = vae as? AutoencoderKL {
            try JSONFile.write(vae.config.json, to: "\(folder)/vae/config.json")
            try vae.store.state.write(safetensors: "\(folder)/vae/diffusion_pytorch_model.safetensors")
        }
        try JSONFile.write(unet.config.json, to: "\(folder)/unet/config.json")
        try JSONFile.write(textEncoder.config.json, to: "\(folder)/text_encoder/config.json")
    }
}
