import Foundations
import Torch

/// The parts of a model, wherever they are read from: small ones at once, networks when they are asked for.
struct ModelParts {
    /// Where the settings are; nil for built-in ones.
    let folder: String?
    let scheduler: SchedulerConfig
    /// Whether diffusers' pipeline of such a model replaces settings of old checkpoints.
    let replacesSettings: Bool
    let tokenizer: CLIPTokenizer
    let vae: (Device, DType) throws -> any LatentAutoencoder
    let unet: (Device, DType) throws -> UNet2DConditionModel
    let textEncoder: (Device, DType) throws -> CLIPTextModel

    /// - Throws: ``ModelError`` or `FileFormatError`, one line naming the file and what is wrong.
    init(_ location: ModelLocation) throws {
        let path = location.path
        guard !location.isFile else {
            let file = try SingleFile(path: path)
            folder = file.folder
            scheduler = try file.schedulerConfig()
            replacesSettings = true
            tokenizer = try file.tokenizer()
            vae = { try file.vae(device: $0, dtype: $1) }
            unet = { try file.unet(device: $0, dtype: $1) }
            textEncoder = { try file.textEncoder(device: $0, dtype: $1) }
            return
        }
        for part in ["vae", "unet", "text_encoder", "tokenizer", "scheduler"] where !Files.exists("\(path)/\(part)") {
            throw location.missing(part)
        }
        folder = path
        replacesSettings = try ModelIndex.check(folder: path)
        scheduler = try SchedulerConfig(path: "\(path)/scheduler/scheduler_config.json")
        tokenizer = try CLIPTokenizer(folder: "\(path)/tokenizer")
        vae = { try makeAutoencoder(folder: "\(path)/vae", device: $0, dtype: $1) }
        unet = { try UNet2DConditionModel(folder: "\(path)/unet", device: $0, dtype: $1) }
        textEncoder = { try CLIPTextModel(folder: "\(path)/text_encoder", device: $0, dtype: $1) }
    }
}
