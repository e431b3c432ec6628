import Diffusion
import DomainGeneralization
import Foundations
import Torch

/// Draws one image in the style of another by a latent diffusion model, without training: StyleID (Chung, Hyun and Heo, CVPR
/// 2024, https://arxiv.org/abs/2312.09008).
///
/// The walk begins with the content's noisy latents, whose channels get the mean and deviation of the style's. In the decoder's
/// self-attentions the style's keys and values stand for the image's own (`AttentionInjection`). Where StyleID inverts both
/// images to know their noisy latents, here they are noised to the level of each step, with the same noise all along.
public struct StyleInjection {
    /// Names the model, by a hash of its weights, and every setting.
    public let fingerprint: String
    /// Passes through the U-Net that one image takes.
    public let unetEvaluationsPerImage: Int
    private let model: LatentDiffusionModel
    private let attention: AttentionInjection
    private let settings: GenerationSettings
    /// Evaluations of a walk.
    private let evaluations: Int

    /// An injection by a model with given settings.
    /// - Parameters:
    ///   - modelHash: a hash of the model's files.
    ///   - settings: those of image to image; strength says how noisy the walk begins.
    /// - Throws: `UserError` for a strength that leaves no step.
    public init(
        _ model: LatentDiffusionModel, modelHash: String, settings: GenerationSettings, attention: AttentionInjection
    ) throws {
        self.model = model
        self.attention = attention
        self.settings = settings
        fingerprint =
            "\(modelHash) \(try JSONValue(encoding: settings).text) \(attention.blocks) \(attention.queryShare) "
            + "\(attention.temperature)"
        var plain = settings
        plain.guidanceScale = 1
        let steps = try model.imageToImageSteps(settings)
        evaluations = try model.unetEvaluations(plain, lastSteps: steps)
        // Content and style are seen once beside the image itself.
        unetEvaluationsPerImage = try 2 * evaluations + model.unetEvaluations(settings, lastSteps: steps)
    }

    /// Images that the model works on together; each is seen up to four times in one call of the U-Net.
    public var largestBatch: Int { max(1, model.batchLimit / 4) }

    /// Three: content and style are encoded and the result decoded.
    public var vaePassesPerImage: Int { 3 }

    /// N contents in N styles: [N, 3, H, W] in 0…1 of the model's size, as the results.
    /// - Parameters:
    ///   - prompts: what each result is to show.
    ///   - seeds: of the noise, the content's first.
    /// - Throws: a one-line error, `TorchError` for a lack of memory.
    public func images(contents: Tensor, styles: Tensor, prompts: [String], seeds: [UInt64]) throws -> Tensor {
        let generators = seeds.map { Generator(seed: $0) }
        let scheduler = try model.scheduler(settings, lastSteps: model.imageToImageSteps(settings))
        let first = scheduler.timesteps.count - evaluations
        let content = noised(contents, generators, scheduler)
        let style = noised(styles, generators, scheduler)
        let start = AdaIN.compose(
            style: AdaIN.decompose(style(first)).style, content: AdaIN.decompose(content(first)).content)
        let walk = try model.denoising(
            start, prompts: prompts, settings: settings, lastSteps: model.imageToImageSteps(settings),
            generators: generators,
            injection: Denoising.Injection(attention, content: content, style: style))
        let latents = walk.reduce(start) { $1.latents }
        return try model.images(of: latents)
    }

    /// The latents of images noised to each level of a walk, with one noise from each generator.
    private func noised(
        _ images: Tensor, _ generators: [Generator], _ scheduler: any Scheduler
    ) -> (_ evaluation: Int) -> Tensor {
        let vae = model.vae
        let input = images.to(device: vae.store.device, dtype: vae.store.dtype) * 2 - 1
        let latents = noGrad { vae.encode(input) }.to(dtype: .float32)
        let shape = [1] + latents.shape.dropFirst()
        let noise = Tensor.concatenated(generators.map { Tensor.randn(shape, generator: $0) })
            .to(device: latents.device)
        return { scheduler.addNoise(to: latents, noise: noise, at: $0) }
    }
}
