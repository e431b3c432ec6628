import Foundation
import Torch

/// `model_index.json`: which classes the parts of a model folder are of.
enum ModelIndex {
    /// Pipelines whose parts, and how they work together, are those of Stable Diffusion.
    private static let pipelines: Set = [
        "StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "LatentConsistencyModelPipeline",
        "LatentConsistencyModelImg2ImgPipeline", "DiffusionPipeline",
    ]
    /// Supported classes of each part that a model is made of; of a scheduler its own file decides.
    private static let parts: [String: Set<String>] = [
        "vae": ["AutoencoderKL", "AutoencoderTiny"], "unet": ["UNet2DConditionModel"],
        "text_encoder": ["CLIPTextModel"], "tokenizer": ["CLIPTokenizer", "CLIPTokenizerFast"],
    ]
    /// Parts that do not change an image.
    private static let without: Set = ["scheduler", "safety_checker", "feature_extractor", "requires_safety_checker"]

    /// Pipelines that replace settings of schedulers (``SchedulerConfig/inStableDiffusion``).
    private static func replacesSettings(_ pipeline: String) -> Bool { !pipeline.hasPrefix("LatentConsistency") }

    /// Refuses a folder that holds something else than Stable Diffusion. A folder without the file is taken as meant.
    /// - Returns: whether its pipeline replaces settings of old checkpoints.
    /// - Throws: ``ModelError`` naming the class or the part.
    @discardableResult static func check(folder: String) throws -> Bool {
        let path = "\(folder)/model_index.json"
        guard FileManager.default.fileExists(atPath: path) else { return true }
        let values = try ConfigReader(path: path).values
        if let pipeline = values["_class_name"]?.string, !pipelines.contains(pipeline) {
            throw ModelError(path: path, "\(pipeline) is not supported; StableDiffusionPipeline is")
        }
        for (part, value) in values.sorted(by: { $0.key < $1.key })
        where !part.hasPrefix("_") && !without.contains(part) {
            let name = value.array?.last?.string
            guard let supported = parts[part] else {
                // A part that this folder goes without is listed as [null, null].
                if name == nil, value.array != nil { continue }
                throw ModelError(path: path, "\(part) (\(name ?? value.text)) is not supported")
            }
            guard let name, supported.contains(name) else {
                throw ModelError(
                    path: path,
                    "\(part) is \(name ?? "nothing"); supported is \(supported.sorted().joined(separator: " or "))")
            }
        }
        return replacesSettings(values["_class_name"]?.string ?? "")
    }
}
