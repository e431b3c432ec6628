import Foundations
import Torch

extension LatentDiffusionModel {
    /// Images of what prompts say, each from the noise of its own seed, whatever else is in the batch.
    /// - Parameters:
    ///   - seeds: one for each prompt.
    ///   - size: in pixels, multiples of the VAE's downsampling; what the model was trained on by default.
    ///   - latents: standard normal noise [N, C, h, w] to begin with in place of the seeds'.
    ///   - onStep: told of every step of every batch of images; what it throws ends the work.
    /// - Returns: [N, 3, H, W] in [0, 1], float32 on the CPU.
    /// - Throws: `UserError` for settings or sizes that the model cannot meet, `TorchError` for a lack of memory.
    public func textToImage(
        _ prompts: [String], settings: GenerationSettings = .init(), seeds: [UInt64],
        size: (height: Int, width: Int)? = nil, latents: Tensor? = nil,
        onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        try textToImage(
            conditions: prompts.map { TextCondition($0) }, settings: settings, seeds: seeds, size: size,
            latents: latents,
            onStep: onStep)
    }

    /// As ``textToImage(_:settings:seeds:size:latents:onStep:)``, under conditions.
    public func textToImage(
        conditions: [TextCondition], settings: GenerationSettings = .init(), seeds: [UInt64],
        size: (height: Int, width: Int)? = nil, latents: Tensor? = nil,
        onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        let generators = seeds.map { Generator(seed: $0) }
        let noise = try latents ?? startNoise(generators, size: size)
        return try images(
            of: denoised(
                startLatents(noise, settings: settings), conditions: conditions, settings: settings,
                generators: generators, onStep: onStep))
    }

    /// Variants of images that show what prompts say; the seeds' noise replaces a part of each image.
    ///
    /// As diffusers does: the latents are drawn from the VAE's posterior, then noised, both by the seed's generator.
    /// - Parameters:
    ///   - images: [N, 3, H, W] in [0, 1], with H and W multiples of the VAE's downsampling.
    ///   - prompts: N texts.
    ///   - seeds: N seeds.
    ///   - guide: images whose latents are mixed into those of the images; none by default.
    ///   - noise: standard normal noise [N, C, h, w] that is added in place of the seeds'.
    ///   - onStep: told of every step of every batch of images; what it throws ends the work.
    /// - Returns: [N, 3, H, W] in [0, 1], float32 on the CPU.
    /// - Throws: `UserError` for settings or sizes that the model cannot meet (a strength that leaves no step), or a
    ///   lack of memory.
    public func imageToImage(
        _ images: Tensor, prompts: [String], settings: GenerationSettings = .init(), seeds: [UInt64],
        guide: ImageGuide? = nil, noise: Tensor? = nil, onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        let generators = seeds.map { Generator(seed: $0) }
        let start = try noised(images, settings: settings, generators: generators, guide: guide, noise: noise).latents
        return try self.images(
            of: denoised(
                start, prompts: prompts, settings: settings, lastSteps: imageToImageSteps(settings),
                generators: generators, onStep: onStep))
    }

    // MARK: The parts of the two

    /// The noise that ``textToImage(_:settings:seeds:size:latents:onStep:)`` begins with, [N, C, h, w].
    /// - Throws: `UserError` for a size that is not a multiple of the VAE's downsampling.
    public func startNoise(seeds: [UInt64], size: (height: Int, width: Int)? = nil) throws -> Tensor {
        try startNoise(seeds.map { Generator(seed: $0) }, size: size)
    }

    /// As ``startNoise(seeds:size:)``, of generators: what a scheduler draws in its steps comes after it.
    public func startNoise(_ generators: [Generator], size: (height: Int, width: Int)? = nil) throws -> Tensor {
        let factor = vae.downsampling
        let size = size ?? (imageSize, imageSize)
        guard size.height > 0, size.width > 0, size.height % factor == 0, size.width % factor == 0 else {
            throw UserError("images of \(size.width)×\(size.height) pixels: choose multiples of \(factor)")
        }
        guard !generators.isEmpty else { throw UserError("no seeds: give one for each image") }
        return noise(generators, height: size.height / factor, width: size.width / factor)
    }

    /// Standard normal noise at the level that a walk of all the steps begins with.
    /// - Throws: as ``scheduler(_:lastSteps:)``.
    public func startLatents(_ noise: Tensor, settings: GenerationSettings) throws -> Tensor {
        try noise.to(dtype: .float32) * scheduler(settings).initNoiseSigma
    }

    /// The noisy latents that ``imageToImage(_:prompts:settings:seeds:guide:noise:onStep:)`` begins with and the noise in them,
    /// each [N, C, h, w]; parameters and errors as there, of a generator for each image.
    /// - Parameter drawsLatents: whether the clean latents are drawn from the VAE's posterior, as diffusers' pipeline does; they are
    ///   its mean otherwise.
    public func noised(
        _ images: Tensor, settings: GenerationSettings, generators: [Generator], guide: ImageGuide? = nil,
        noise: Tensor? = nil, drawsLatents: Bool = true
    ) throws -> (latents: Tensor, noise: Tensor) {
        let steps = try imageToImageSteps(settings)
        let scheduler = try scheduler(settings, lastSteps: steps)
        let first = settings.evaluations(of: scheduler, lastSteps: steps).lowerBound
        guard images.rank == 4, generators.count == images.size(0) else {
            throw UserError("\(generators.count) seeds for images of shape \(images.shape): give one for each")
        }
        guard guide.map({ $0.images.shape == images.shape }) ?? true else {
            throw UserError("guides of shape \(guide?.images.shape ?? []) for images of shape \(images.shape)")
        }
        let factor = vae.downsampling
        let (height, width) = (images.size(2) / factor, images.size(3) / factor)
        if let noise {
            try check(noise, count: images.size(0))
            guard noise.size(2) == height, noise.size(3) == width else {
                throw UserError("noise of shape \(noise.shape) for images of shape \(images.shape)")
            }
        }
        var added: [Tensor] = []
        let start = try inBatches(of: generators.count, positions: height * width) { batch in
            try withTorchErrors {
                let drawing = [Generator](generators[batch])
                func draw() -> Tensor { self.noise(drawing, height: height, width: width) }
                // The generators draw from the posterior first, the guide's after the image's.
                var latents = try latents(of: images[batch], noise: drawsLatents ? draw : nil)
                if let guide {
                    let others = try self.latents(of: guide.images[batch], noise: drawsLatents ? draw : nil)
                    latents = inferenceMode { (1 - guide.weight) * latents + guide.weight * others }
                }
                let part = noise?[batch].to(device: device, dtype: .float32) ?? draw()
                added.append(part)
                return inferenceMode { scheduler.addNoise(to: latents, noise: part, at: first) }.ordinaryCopy()
            }
        }
        return (start, added.count == 1 ? added[0] : .concatenated(added))
    }

    /// Latents [N, C, h, w] after the walk of ``denoising(_:prompts:settings:lastSteps:generators:injection:)``, in batches that fit
    /// memory.
    /// - Throws: `TorchError`, and what `onStep` throws.
    public func denoised(
        _ latents: Tensor, prompts: [String], settings: GenerationSettings, lastSteps: Int? = nil,
        generators: [Generator] = [], onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        try denoised(
            latents, conditions: prompts.map { TextCondition($0) }, settings: settings, lastSteps: lastSteps,
            generators: generators, onStep: onStep)
    }

    /// As ``denoised(_:prompts:settings:lastSteps:generators:onStep:)``, under N conditions.
    public func denoised(
        _ latents: Tensor, conditions: [TextCondition], settings: GenerationSettings, lastSteps: Int? = nil,
        generators: [Generator] = [], onStep: (Denoising.Step) throws -> Void = { _ in }
    ) throws -> Tensor {
        try check(latents, count: conditions.count)
        guard generators.isEmpty || generators.count == conditions.count else {
            throw UserError("\(generators.count) seeds for \(conditions.count) prompts: give one for each")
        }
        return try inBatches(of: conditions.count, positions: latents.size(2) * latents.size(3)) { batch in
            let part = latents[batch]
            let walk = try withTorchErrors {
                try denoising(
                    part, conditions: [TextCondition](conditions[batch]), settings: settings, lastSteps: lastSteps,
                    generators: generators.isEmpty ? [] : [Generator](generators[batch]))
            }
            return try self.walk(walk, from: part, onStep: onStep)
        }
    }

    /// - Throws: `UserError` for latents that are not [count, C, h, w].
    func check(_ latents: Tensor, count: Int) throws {
        guard count > 0 else { throw UserError("no prompts: give one for each image") }
        guard latents.rank == 4, latents.size(0) == count, latents.size(1) == unet.config.inChannels,
            latents.size(2) > 0, latents.size(3) > 0
        else {
            throw UserError(
                "latents of shape \(latents.shape) for \(count) prompts: the model takes "
                    + "[\(count), \(unet.config.inChannels), h, w]")
        }
    }
}
