import Foundation
import Foundations
import Torch

/// A checkpoint of Stable Diffusion 1.x or 2.x in one file, under the names of the original programs: what people share as
/// `.safetensors` and `.ckpt`.
///
/// The file has weights alone. As diffusers' `from_single_file` does, the settings are those of Stable Diffusion 1.5 or 2.1,
/// told apart by the weights; a folder beside the file with the file's name without its ending has others, as a model folder
/// in diffusers layout without the weights (`model/unet/config.json` of `model.safetensors`).
struct SingleFile {
    /// The two families.
    enum Family {
        case one, two
    }

    let path: String
    let family: Family
    /// The folder of settings, where it is.
    let folder: String?
    private let state: StateDict

    /// - Throws: ``ModelError`` or `FileFormatError` for a file that holds something else.
    init(path: String) throws {
        self.path = path
        var names: [String] = []
        state = try StateDict(contentsOf: path) { name in
            names.append(name)
            return OriginalNames.isWanted(name)
        }
        guard names.contains(where: { $0.hasPrefix(OriginalNames.unetPrefix) }) else {
            throw ModelError(path: path, Self.otherKind(names))
        }
        let named = FilePath.withoutExtension(path)
        folder = named != path && Files.isFolder(named) ? named : nil
        family = state.names.contains { $0.hasPrefix(OriginalNames.openCLIPPrefix) } ? .two : .one
        try check()
    }

    /// What a file without a U-Net of Stable Diffusion is.
    private static func otherKind(_ names: [String]) -> String {
        func has(_ parts: String...) -> Bool { names.contains { name in parts.contains { name.contains($0) } } }
        if has("lora_up", "lora_down", "lora_A", ".lora.", "hada_w", "lokr_w") {
            return "adapters (LoRA), not a model; name the model, and these with --lora"
        }
        if has("joint_blocks.", "double_blocks.") {
            return "a model of Stable Diffusion 3 or Flux, which is not supported"
        }
        if has("control_model.", "controlnet_cond_embedding.") { return "a ControlNet, not a model" }
        if has("emb_params", "string_to_param") { return "a textual inversion, not a model" }
        if has("down_blocks.", "encoder.layers.") {
            return "one part of a model in diffusers' names; name the folder that holds unet/, vae/ and the others"
        }
        return "holds no U-Net of Stable Diffusion (no key begins with \(OriginalNames.unetPrefix))"
    }

    /// Refuses the kin of Stable Diffusion that have the same names and another network.
    private func check() throws {
        func refuse(_ kind: String) -> ModelError {
            ModelError(path: path, "\(kind), which is not supported; Stable Diffusion 1.x and 2.x are")
        }
        func shape(_ name: String) -> [Int] { state[OriginalNames.unetPrefix + name]?.shape ?? [] }
        if state[OriginalNames.unetPrefix + "label_emb.0.0.weight"] != nil {
            throw refuse("Stable Diffusion XL or unCLIP")
        }
        switch shape("input_blocks.0.0.weight").dropFirst().first {
        case 9: throw refuse("a model for inpainting")
        case 8: throw refuse("InstructPix2Pix")
        case 7: throw refuse("an upscaler")
        case 5: throw refuse("a model with a depth map")
        default: break
        }
        for (part, prefixes) in [
            ("autoencoder", OriginalNames.vaePrefixes),
            ("text encoder", [OriginalNames.clipPrefix, OriginalNames.openCLIPPrefix]),
        ] where !state.names.contains(where: { name in prefixes.contains { name.hasPrefix($0) } }) {
            throw ModelError(path: path, "has no \(part); take a file of the whole model")
        }
    }

    // MARK: Settings

    /// The path of a file of settings, where there is one.
    private func settings(_ name: String) -> String? {
        guard let folder else { return nil }
        let path = FilePath.join(folder, name)
        return Files.exists(path) ? path : nil
    }

    func schedulerConfig() throws -> SchedulerConfig {
        if let file = settings("scheduler/scheduler_config.json") { return try SchedulerConfig(path: file) }
        var config = SchedulerConfig.stableDiffusion
        config.skipPRKSteps = true
        if family == .one {
            config.className = PNDMScheduler.className
        } else {
            config.predictionType = .velocity
        }
        return config
    }

    /// CLIP's tokenizer: of the folder of settings, or of the vocabulary that scripts/bootstrap installs.
    func tokenizer() throws -> CLIPTokenizer {
        if let folder, Files.isFolder(FilePath.join(folder, "tokenizer")) {
            return try CLIPTokenizer(folder: FilePath.join(folder, "tokenizer"))
        }
        // OpenAI's list of merges, which Stable Diffusion 1.x and 2.x share.
        guard let vocabulary = InstalledFiles.here.find(InstalledFiles.vocabulary) else {
            throw ModelError(
                path: path,
                "has no tokenizer in it, and there is no \(InstalledFiles.vocabulary) here; run scripts/bootstrap in a "
                    + "checkout and name that by DOMAINFUSION_HOME, or put a model's tokenizer folder into "
                    + "\(FilePath.withoutExtension(path))/")
        }
        return try CLIPTokenizer(openAIMerges: vocabulary, padding: family == .two ? "!" : nil)
    }

    private func unetConfig() throws -> UNet2DConditionConfig {
        if let file = settings("unet/config.json") { return try UNet2DConditionConfig(path: file) }
        var config = UNet2DConditionConfig()
        guard family == .two else { return config }
        config.sampleSize = 96
        config.crossAttentionWidth = 1024
        config.heads = [5, 10, 20, 20]
        config.useLinearProjection = true
        return config
    }

    private func vaeConfig() throws -> AutoencoderKLConfig {
        if let file = settings("vae/config.json") { return try AutoencoderKLConfig(path: file) }
        var config = AutoencoderKLConfig()
        config.blockOutChannels = [128, 256, 512, 512]
        config.layersPerBlock = 2
        config.sampleSize = family == .two ? 768 : 512
        return config
    }

    private func textConfig() throws -> CLIPTextConfig {
        if let file = settings("text_encoder/config.json") { return try CLIPTextConfig(path: file) }
        var config = CLIPTextConfig()
        if family == .two {
            (config.width, config.feedForwardWidth, config.layers, config.heads) = (1024, 4096, 23, 16)
            config.activation = "gelu"
        } else {
            (config.width, config.feedForwardWidth, config.heads) = (768, 3072, 12)
        }
        return config
    }

    // MARK: Networks

    func unet(device: Device, dtype: DType) throws -> UNet2DConditionModel {
        let config = try unetConfig()
        guard let layers = config.layersPerBlock.first, Set(config.layersPerBlock).count == 1 else {
            throw ModelError(path: settings("unet/config.json") ?? path, "layers_per_block differs from level to level")
        }
        let weights = OriginalNames.unet(state, layers: layers)
        return try UNet2DConditionModel(verifying: store(weights, device, dtype), config)
    }

    func vae(device: Device, dtype: DType) throws -> AutoencoderKL {
        let config = try vaeConfig()
        let weights = OriginalNames.vae(state, levels: config.blockOutChannels.count)
        let type = dtype == .float16 && config.needsFloat32 ? .float32 : dtype
        return try AutoencoderKL(verifying: store(weights, device, type), config)
    }

    func textEncoder(device: Device, dtype: DType) throws -> CLIPTextModel {
        let config = try textConfig()
        let weights = OriginalNames.textEncoder(state, layers: config.layers)
        return try CLIPTextModel(verifying: store(weights, device, dtype), config)
    }

    private func store(_ weights: StateDict, _ device: Device, _ dtype: DType) -> ParameterStore {
        ParameterStore(weights, name: path, device: device, dtype: dtype)
    }
}
