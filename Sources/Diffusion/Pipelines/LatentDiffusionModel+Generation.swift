import Torch

extension LatentDiffusionModel {
    /// Images of what prompts say, each from the noise of its own seed, whatever else is in the batch.
    /// - Parameters:
    ///   - seeds: one for each prompt.
    ///   - size: in pixels, multiples of the VAE's downsampling; what the model was trained on by default.
    ///   - latents: noise [N, C, h, w] to begin with in place of the seeds'.
    ///   - onStep: told of every step of every batch of images; what it throws ends the work.
    /// - Returns: [N, 3, H, W] in [0, 1], float32 on the CPU.
    /// - Throws: `TorchError` for settings or sizes that the model cannot meet, or a lack of memory.
    public func textToImage(
        _ prompts: [String], settings: GenerationSettings = .init(), seeds: [UInt64],
        size: (height: Int, width: Int)? = nil, latents: Tensor? = nil,
        onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        let start = try latents ?? startNoise(seeds: seeds, size: size)
        return try images(of: denoised(start, prompts: prompts, settings: settings, onStep: onStep))
    }

    /// Variants of images that show what prompts say; the seeds' noise replaces a part of each image.
    ///
    /// As diffusers does: the latents are drawn from the VAE's posterior, then noised, both by the seed's generator.
    /// - Parameters:
    ///   - images: [N, 3, H, W] in [0, 1], with H and W multiples of the VAE's downsampling.
    ///   - prompts: N texts.
    ///   - seeds: N seeds.
    ///   - noise: [N, C, h, w] that is added in place of the seeds'.
    ///   - onStep: told of every step of every batch of images; what it throws ends the work.
    /// - Returns: [N, 3, H, W] in [0, 1], float32 on the CPU.
    /// - Throws: `TorchError` for settings or sizes that the model cannot meet (a strength that leaves no step), or a
    ///   lack of memory.
    public func imageToImage(
        _ images: Tensor, prompts: [String], settings: GenerationSettings = .init(), seeds: [UInt64],
        noise: Tensor? = nil, onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        let start = try noised(images, settings: settings, seeds: seeds, noise: noise)
        return try self.images(
            of: denoised(
                start, prompts: prompts, settings: settings, lastSteps: settings.imageToImageSteps(), onStep: onStep))
    }

    // MARK: The parts of the two

    /// The noise that ``textToImage(_:settings:seeds:size:latents:onStep:)`` begins with, [N, C, h, w].
    /// - Throws: `TorchError` for a size that is not a multiple of the VAE's downsampling.
    public func startNoise(seeds: [UInt64], size: (height: Int, width: Int)? = nil) throws -> Tensor {
        let factor = vae.config.downsampling
        let size = size ?? (imageSize, imageSize)
        guard size.height > 0, size.width > 0, size.height % factor == 0, size.width % factor == 0 else {
            throw TorchError("images of \(size.width)×\(size.height) pixels: choose multiples of \(factor)")
        }
        guard !seeds.isEmpty else { throw TorchError("no seeds: give one for each image") }
        return noise(
            seeds.map { Generator(seed: $0) }, height: size.height / factor, width: size.width / factor)
    }

    /// The noisy latents that ``imageToImage(_:prompts:settings:seeds:noise:onStep:)`` begins with, [N, C, h, w];
    /// parameters and errors as there.
    public func noised(
        _ images: Tensor, settings: GenerationSettings, seeds: [UInt64], noise: Tensor? = nil
    ) throws -> Tensor {
        let scheduler = try DDIMScheduler(schedulerConfig, steps: settings.steps)
        let first = try scheduler.timesteps[settings.steps - settings.imageToImageSteps()]
        guard images.rank == 4, seeds.count == images.size(0) else {
            throw TorchError("\(seeds.count) seeds for images of shape \(images.shape): give one for each")
        }
        let factor = vae.config.downsampling
        let (height, width) = (images.size(2) / factor, images.size(3) / factor)
        if let noise {
            try check(noise, count: images.size(0))
            guard noise.size(2) == height, noise.size(3) == width else {
                throw TorchError("noise of shape \(noise.shape) for images of shape \(images.shape)")
            }
        }
        return try inBatches(of: seeds.count, positions: height * width) { batch in
            try withTorchErrors {
                let posterior = try posterior(of: images[batch])
                return inferenceMode {
                    let drawn = imageNoise(seeds: [UInt64](seeds[batch]), height: height, width: width)
                    return scheduler.addNoise(
                        to: scaled(posterior.sample(noise: drawn.posterior)),
                        noise: noise?[batch].to(device: device, dtype: dtype) ?? drawn.added, timesteps: [first])
                }.ordinaryCopy()
            }
        }
    }

    /// The noise of ``imageToImage(_:prompts:settings:seeds:noise:onStep:)``, each [N, C, height, width]: what a latent
    /// is drawn from the posterior with, and what is added to it.
    /// - Parameters:
    ///   - height: of the latents; the width likewise.
    public func imageNoise(seeds: [UInt64], height: Int, width: Int) -> (posterior: Tensor, added: Tensor) {
        let generators = seeds.map { Generator(seed: $0) }
        let posterior = noise(generators, height: height, width: width)
        return (posterior, noise(generators, height: height, width: width))
    }

    /// Latents [N, C, h, w] after the walk of ``denoising(_:prompts:settings:lastSteps:)``, in batches that fit memory.
    /// - Throws: `TorchError`, and what `onStep` throws.
    public func denoised(
        _ latents: Tensor, prompts: [String], settings: GenerationSettings, lastSteps: Int? = nil,
        onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        try check(latents, count: prompts.count)
        return try inBatches(of: prompts.count, positions: latents.size(2) * latents.size(3)) { batch in
            let part = latents[batch]
            let walk = try withTorchErrors {
                try denoising(part, prompts: [String](prompts[batch]), settings: settings, lastSteps: lastSteps)
            }
            return try self.walk(walk, from: part, onStep: onStep)
        }
    }

    /// - Throws: `TorchError` for latents that are not [count, C, h, w].
    func check(_ latents: Tensor, count: Int) throws {
        guard count > 0 else { throw TorchError("no prompts: give one for each image") }
        guard latents.rank == 4, latents.size(0) == count, latents.size(1) == unet.config.inChannels,
            latents.size(2) > 0, latents.size(3) > 0
        else {
            throw TorchError(
                "latents of shape \(latents.shape) for \(count) prompts: the model takes "
                    + "[\(count), \(unet.config.inChannels), h, w]")
        }
    }
}
