import Foundations
import Torch

extension LatentDiffusionModel {
    /// The noise that DDIM would make images of: DDIM walked backwards, without guidance (Song et al. 2021).
    /// - Parameters:
    ///   - images: [N, 3, H, W] in [0, 1], with H and W multiples of the VAE's downsampling.
    ///   - prompts: N texts that describe the images.
    ///   - steps: of the whole walk.
    ///   - firstSteps: walks only this many of them; all by default.
    ///   - onStep: told of every step of every batch of images; what it throws ends the work.
    /// - Returns: latents [N, C, h, w].
    /// - Throws: `UserError` for sizes or settings that the model cannot meet, `TorchError` for a lack of memory.
    public func invert(
        _ images: Tensor, prompts: [String], steps: Int, firstSteps: Int? = nil,
        onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        guard images.rank == 4, images.size(0) == prompts.count else {
            throw UserError("\(prompts.count) prompts for images of shape \(images.shape): give one for each")
        }
        let factor = vae.downsampling
        let positions = images.size(2) / factor * (images.size(3) / factor)
        let latents = try inBatches(of: prompts.count, positions: positions) { batch in
            try withTorchErrors { try self.latents(of: images[batch]).ordinaryCopy() }
        }
        return try invert(latents: latents, prompts: prompts, steps: steps, firstSteps: firstSteps, onStep: onStep)
    }

    /// As ``invert(_:prompts:steps:firstSteps:onStep:)``, of latents [N, C, h, w].
    public func invert(
        latents: Tensor, prompts: [String], steps: Int, firstSteps: Int? = nil,
        onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        try check(latents, count: prompts.count)
        let scheduler = try DDIMInverseScheduler(schedulerConfig, steps: steps)
        return try inBatches(of: prompts.count, positions: latents.size(2) * latents.size(3)) { batch in
            let part = latents[batch].to(device: device)
            let context = try withTorchErrors { embed([String](prompts[batch])) }
            let walk = Denoising(
                unet, part, scheduler: scheduler, context: context, range: 0..<min(firstSteps ?? steps, steps))
            return try self.walk(walk, from: part, onStep: onStep)
        }
    }

    /// Variants of images that keep their layout: inverted with the prompts that describe them, then denoised with
    /// others, by DDIM both ways. `settings.strength` is the part of the steps that is walked back and forth.
    /// - Parameters:
    ///   - images: [N, 3, H, W] in [0, 1], with H and W multiples of the VAE's downsampling.
    ///   - sources: N texts that describe the images.
    ///   - targets: N texts that describe the results.
    /// - Returns: [N, 3, H, W] in [0, 1], float32 on the CPU.
    /// - Throws: `UserError` for sizes or settings that the model cannot meet, `TorchError` for a lack of memory.
    public func editAfterInversion(
        _ images: Tensor, from sources: [String], to targets: [String], settings: GenerationSettings = .init(),
        onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        let count = try settings.imageToImageSteps()
        var settings = settings
        (settings.scheduler, settings.eta) = (DDIMScheduler.className, 0)
        let start = try invert(images, prompts: sources, steps: settings.steps, firstSteps: count, onStep: onStep)
        return try self.images(
            of: denoised(start, prompts: targets, settings: settings, lastSteps: count, onStep: onStep))
    }
}
