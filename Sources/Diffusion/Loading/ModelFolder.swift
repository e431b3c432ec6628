import Foundation
import Foundations
import Torch

/// Writes the files of a model folder in diffusers layout.
public enum ModelFolder {
    /// Copies the files in a folder: those that links point to, rather than the links (as in the Hugging Face cache).
    /// - Parameter wanted: which files to copy, by name; the others of the source's are removed from the target.
    /// - Throws: `FileFormatError`.
    static func copy(_ source: String, to target: String, wanted: (String) -> Bool) throws {
        let files = FileManager.default
        var failing = source
        do {
            let names = try files.contentsOfDirectory(atPath: source)
            failing = target
            try files.createDirectory(atPath: target, withIntermediateDirectories: true)
            for name in names {
                failing = "\(target)/\(name)"
                if files.fileExists(atPath: failing) { try files.removeItem(atPath: failing) }
                guard wanted(name) else { continue }
                let real = URL(fileURLWithPath: "\(source)/\(name)").resolvingSymlinksInPath().path
                try files.copyItem(atPath: real, toPath: failing)
            }
        } catch {
            throw FileFormatError(
                path: failing, problem: "cannot be read or written", remedy: "check permissions and free space")
        }
    }

    /// Copies `model_index.json`, or writes that of a Stable Diffusion pipeline where the source has none; parts that are
    /// not copied (the safety checker) are listed as absent.
    /// - Parameters:
    ///   - vae: the autoencoder's class.
    ///   - scheduler: the sampler's class.
    /// - Throws: `FileFormatError`.
    static func copyIndex(from source: String, to target: String, vae: String, scheduler: String) throws {
        let path = "\(source)/model_index.json"
        var index: [String: JSONValue] = [
            "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0",
            "vae": ["diffusers", .string(vae)], "unet": ["diffusers", "UNet2DConditionModel"],
            "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
            "scheduler": ["diffusers", .string(scheduler)],
        ]
        if FileManager.default.fileExists(atPath: path) { index = try JSONFile.object(path) }
        for part in ["safety_checker", "feature_extractor"] { index[part] = [.null, .null] }
        index["requires_safety_checker"] = false
        try JSONFile.write(index, to: "\(target)/model_index.json")
    }
}
