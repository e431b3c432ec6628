import Diffusion
import Foundations
import Torch

/// Moves images into a diffusion model's own distribution (distribution shift inversion, DSI; Yu and others, CVPR 2023,
/// https://arxiv.org/abs/2306.08328): the latents' mean is noised, `z_s = √ᾱ_s·E(x) + √(1 − ᾱ_s)·ε`, and denoised from s to 0.
///
/// DSI denoises by DDIM under the empty prompt, without guidance, with a model that was fine-tuned on one source domain. A prompt that
/// names a style, with guidance, makes it the test-time edit of arXiv 2512.13454.
public struct ShiftInversionGenerator: CandidateGenerator {
    /// A hash of the model and of all settings that translations depend on.
    public let fingerprint: String
    /// Passes through the U-Net that one translation takes.
    public let unetEvaluationsPerImage: Int
    private let model: LatentDiffusionModel
    private let settings: GenerationSettings
    private let lastSteps: Int

    /// A generator of a model with given settings, whose `strength` is s as a share of the noise schedule.
    /// - Parameter modelHash: a hash of the model's files.
    /// - Throws: `UserError` for a strength that leaves no step, or a sampler that there is not.
    public init(_ model: LatentDiffusionModel, modelHash: String, settings: GenerationSettings) throws {
        self.model = model
        self.settings = settings
        fingerprint = "\(modelHash) shift inversion \(try JSONValue(encoding: settings).text)"
        lastSteps = try model.imageToImageSteps(settings)
        unetEvaluationsPerImage = try model.unetEvaluations(settings, lastSteps: lastSteps)
    }

    /// Side of the images in pixels, the model's own.
    public var imageSize: Int { model.imageSize }

    /// The most images that the model works on together.
    public var largestBatch: Int { model.batchLimit }

    /// Two: an image is encoded and a translation decoded.
    public var vaePassesPerImage: Int { 2 }

    /// Translations [N, 3, H, W] in 0…1 of images [N, 3, H, W] in 0…1, under N prompts with N seeds.
    /// - Throws: a one-line error, `TorchError` for a lack of memory.
    public func generate(_ images: Tensor, prompts: [String], seeds: [UInt64]) throws -> Tensor {
        let generators = seeds.map { Generator(seed: $0) }
        let start = try model.noised(images, settings: settings, generators: generators, drawsLatents: false).latents
        return try model.images(
            of: model.denoised(
                start, prompts: prompts, settings: settings, lastSteps: lastSteps, generators: generators))
    }
}
