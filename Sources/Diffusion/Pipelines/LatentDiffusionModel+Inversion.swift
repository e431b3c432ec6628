import Foundations
import Torch

extension LatentDiffusionModel {
    /// The noise that DDIM would make images of: DDIM walked backwards (Song et al. 2021). It draws no noise: the images'
    /// latents are the mean of the VAE's posterior.
    ///
    /// The way back, ``denoised(_:prompts:settings:lastSteps:generators:onStep:)`` with ``GenerationSettings/withDDIM``, ends
    /// near the images for the same prompts and guidance: the nearer, the more steps and the less guidance there is.
    /// - Parameters:
    ///   - images: [N, 3, H, W] in [0, 1], with H and W multiples of the VAE's downsampling.
    ///   - prompts: N texts that describe the images; an empty one describes any.
    ///   - steps: of the whole walk.
    ///   - firstSteps: walks only this many of them; all by default.
    ///   - guidanceScale: weight of the prompts (classifier-free guidance); up to 1 there is none.
    ///   - negativePrompt: what guidance leads away from.
    ///   - onStep: told of every step of every batch of images; what it throws ends the work.
    /// - Returns: latents [N, C, h, w].
    /// - Throws: `UserError` for sizes or settings that the model cannot meet, `TorchError` for a lack of memory.
    public func invert(
        _ images: Tensor, prompts: [String], steps: Int, firstSteps: Int? = nil, guidanceScale: Double = 1,
        negativePrompt: String = "", onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        guard images.rank == 4, images.size(0) == prompts.count else {
            throw UserError("\(prompts.count) prompts for images of shape \(images.shape): give one for each")
        }
        return try invert(
            latents: latents(of: images), prompts: prompts, steps: steps, firstSteps: firstSteps,
            guidanceScale: guidanceScale, negativePrompt: negativePrompt, onStep: onStep)
    }

    /// As ``invert(_:prompts:steps:firstSteps:guidanceScale:negativePrompt:onStep:)``, of latents [N, C, h, w].
    public func invert(
        latents: Tensor, prompts: [String], steps: Int, firstSteps: Int? = nil, guidanceScale: Double = 1,
        negativePrompt: String = "", onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        try check(latents, count: prompts.count)
        let settings = GenerationSettings(
            steps: steps, guidanceScale: guidanceScale, negativePrompt: negativePrompt)
        try settings.check()
        let scheduler = try DDIMInverseScheduler(schedulerConfig, steps: steps)
        let range = 0..<min(max(0, firstSteps ?? steps), steps)
        return try inBatches(of: prompts.count, positions: latents.size(2) * latents.size(3)) { batch in
            let part = latents[batch].to(device: device)
            let walk = try withTorchErrors {
                denoising(
                    part, conditions: prompts[batch].map { TextCondition($0) }, along: scheduler, settings: settings,
                    range: range)
            }
            return try self.walk(walk, from: part, onStep: onStep)
        }
    }

    /// Variants of images that keep their layout: inverted with the prompts that describe them and without guidance, then
    /// denoised with others, by DDIM both ways. `settings.strength` is the part of the steps that is walked back and forth;
    /// `settings.guidanceScale` is that of the way back.
    /// - Parameters:
    ///   - images: [N, 3, H, W] in [0, 1], with H and W multiples of the VAE's downsampling.
    ///   - sources: N texts that describe the images; an empty one describes any.
    ///   - targets: N texts that describe the results.
    ///   - onStep: told of every step, of both ways; what it throws ends the work.
    /// - Returns: [N, 3, H, W] in [0, 1], float32 on the CPU.
    /// - Throws: `UserError` for sizes or settings that the model cannot meet, `TorchError` for a lack of memory.
    public func editAfterInversion(
        _ images: Tensor, from sources: [String], to targets: [String], settings: GenerationSettings = .init(),
        onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        let count = try settings.imageToImageSteps()
        let start = try invert(images, prompts: sources, steps: settings.steps, firstSteps: count, onStep: onStep)
        return try self.images(
            of: denoised(start, prompts: targets, settings: settings.withDDIM, lastSteps: count, onStep: onStep))
    }

    /// The passes through the U-Net that edit one image
    /// (``editAfterInversion(_:from:to:settings:onStep:)``): one a step there, and with guidance two a step back.
    /// - Throws: `UserError` for settings that the model cannot meet.
    public func unetEvaluationsOfEdit(_ settings: GenerationSettings) throws -> Int {
        let count = try settings.imageToImageSteps()
        return try count + unetEvaluations(settings.withDDIM, lastSteps: count)
    }
}
