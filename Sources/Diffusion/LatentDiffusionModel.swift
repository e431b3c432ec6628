import Foundation
import Foundations
import Synchronization
import Torch

/// A latent diffusion model in diffusers layout: VAE, U-Net, text encoder, tokenizer and scheduler settings.
///
/// ```swift
/// let model = try LatentDiffusionModel(path: "models/emoji-ldm")
/// let images = try model.textToImage(["a cartoon emoji of a lion"], seeds: [0])
/// ```
///
/// The weights are frozen, but for ``merge(_:scale:)`` and ``FineTuner``. Used by one thread at a time.
public final class LatentDiffusionModel {
    /// The folder or the file that it was read from.
    public let path: String
    /// Whether ``path`` is one file.
    public let isSingleFile: Bool
    /// The folder of its settings: ``path``, or for one file a folder beside it, if there is one.
    public let settingsFolder: String?
    /// The folder of the autoencoder, where it is not the model's own.
    public let vaeFolder: String?
    /// Between images and latents.
    public let vae: any LatentAutoencoder
    /// Predicts the noise in latents, or the velocity, under a prompt.
    public let unet: UNet2DConditionModel
    /// Turns tokens into the states that the U-Net attends to.
    public let textEncoder: CLIPTextModel
    /// Turns prompts into tokens.
    public let tokenizer: CLIPTokenizer
    /// The settings of the noise schedule that the model was trained with.
    public let schedulerConfig: SchedulerConfig
    /// Settings of the scheduler's file, by their keys, that are not taken as it has them, but as diffusers' pipeline does.
    public let replacedSettings: [String]
    /// Whether diffusers' pipeline of the folder is that of latent consistency models.
    public let isConsistencyModel: Bool
    /// The side of the images that it is given and makes where a call names no other, in pixels.
    public let imageSize: Int
    /// Whether the weights were changed in memory and are no longer those of the files.
    public internal(set) var isChanged = false
    /// What prompts were encoded to. A lock guards it, since a model can be at work on several threads.
    private let embeddings = Mutex<[String: Tensor]>([:])

    /// Reads a folder with `vae/`, `unet/`, `text_encoder/`, `tokenizer/` and `scheduler/`, or one file of Stable Diffusion 1.x
    /// or 2.x with the names of the original programs, as diffusers' `from_single_file` does.
    /// - Parameters:
    ///   - path: the folder or the file; or `ORG/NAME` or `ORG/NAME@REVISION`, a model in the local cache of the Hugging Face hub
    ///     (``HubCache``).
    ///   - vaeFolder: another autoencoder of the same latents, such as TAESD: a folder with `config.json` and weights, as a
    ///     model's `vae/` is.
    ///   - dtype: type of the weights, and of what is computed with them.
    ///   - vaeDType: the same for the VAE; nil is `dtype`, but float32 where float16 is too narrow for it.
    ///   - imageSize: side of the images in pixels, a multiple of the VAE's downsampling; nil is what the U-Net was trained
    ///     on (`sample_size`).
    /// - Throws: ``ModelError``, `FileFormatError` or `UserError`, one line naming the file and what is wrong.
    public init(
        path: String, vaeFolder: String? = nil, device: Device = .cpu, dtype: DType = .float32, vaeDType: DType? = nil,
        imageSize: Int? = nil
    ) throws {
        let location = try ModelLocation(path)
        let parts = try ModelParts(location)
        self.path = location.path
        isSingleFile = location.isFile
        settingsFolder = parts.folder
        schedulerConfig = parts.replacesSettings ? parts.scheduler.inStableDiffusion : parts.scheduler
        replacedSettings = parts.replacesSettings ? parts.scheduler.replacedInStableDiffusion : []
        isConsistencyModel = !parts.replacesSettings
        tokenizer = parts.tokenizer
        self.vaeFolder = vaeFolder
        vae = try withTorchErrors {
            try vaeFolder.map { try makeAutoencoder(folder: $0, device: device, dtype: vaeDType ?? dtype) }
                ?? parts.vae(device, vaeDType ?? dtype)
        }
        let factor = vae.downsampling
        if let imageSize, imageSize <= 0 || imageSize % factor != 0 {
            throw UserError("images of \(imageSize) pixels for \(location.path): choose a multiple of \(factor)")
        }
        unet = try withTorchErrors { try parts.unet(device, dtype) }
        self.imageSize = imageSize ?? unet.config.sampleSize * factor
        textEncoder = try withTorchErrors { try parts.textEncoder(device, dtype) }
        try checkParts()
    }

    /// - Throws: ``ModelError`` where two parts do not fit each other.
    private func checkParts() throws {
        func same(_ file: String, _ key: String, _ value: Int, _ other: String, _ wanted: Int) throws {
            guard value == wanted else {
                throw ModelError(
                    path: isSingleFile ? path : "\(path)/\(file)", "\(key) is \(value), but \(other) is \(wanted)")
            }
        }
        let latent = vae.latentChannels
        try same("unet/config.json", "in_channels", unet.config.inChannels, "the VAE's latent_channels", latent)
        try same("unet/config.json", "out_channels", unet.config.outChannels, "the VAE's latent_channels", latent)
        try same(
            "unet/config.json", "cross_attention_dim", unet.config.crossAttentionWidth,
            "the text encoder's hidden_size", textEncoder.config.width)
        guard tokenizer.contextLength <= textEncoder.config.length else {
            throw ModelError(
                path: isSingleFile ? path : "\(path)/tokenizer",
                "prompts have \(tokenizer.contextLength) tokens, but the text encoder takes \(textEncoder.config.length)"
            )
        }
        guard tokenizer.lastToken < textEncoder.config.vocabularySize else {
            throw ModelError(
                path: isSingleFile ? path : "\(path)/tokenizer",
                "has a token \(tokenizer.lastToken), but the text encoder's vocab_size is \(textEncoder.config.vocabularySize)"
            )
        }
    }

    /// Where the networks' weights lie.
    public var device: Device { unet.store.device }
    /// The type of the U-Net's weights.
    public var dtype: DType { unet.store.dtype }

    /// The type for latents, noise and all that is computed between the networks: float32 where the networks are
    /// narrower, whose three digits would not do to add steps up.
    public var workingDType: DType { dtype == .float64 ? .float64 : .float32 }

    /// Text states [prompts.count, tokens, width]; each different prompt is encoded once.
    ///
    /// They are ordinary tensors, which may enter a graph, wherever this is called.
    public func embed(_ prompts: [String]) -> Tensor {
        ordinaryMode {
            let states = embeddings.withLock { embeddings in
                let missing = Set(prompts).subtracting(embeddings.keys).sorted()
                for start in stride(from: 0, to: missing.count, by: Self.promptBatch) {
                    let batch = missing[start..<min(missing.count, start + Self.promptBatch)]
                    let ids = batch.flatMap { tokenizer.encode($0).map(Int64.init) }
                    let states = textEncoder(
                        Tensor(ids, shape: [batch.count, ids.count / batch.count]).to(device: device))
                    guard states.rank == 3 else { break }  // failed: `withTorchErrors` throws why
                    for (index, prompt) in batch.enumerated() { embeddings[prompt] = states[index] }
                }
                return prompts.compactMap { embeddings[$0] }
            }
            return .stacked(states)
        }
    }

    /// What it was taught beside its first training; nil where nothing is known.
    /// - Throws: `UserError` for a damaged record.
    public var fineTuning: FineTuningRecord? {
        get throws { try FineTuningRecord(model: path) }
    }

    /// Forgets what prompts were encoded to, after a change of the text encoder.
    func forgetPrompts() { embeddings.withLock { $0 = [:] } }

    private static let promptBatch = 64
}
