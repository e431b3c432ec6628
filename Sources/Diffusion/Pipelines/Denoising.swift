import Torch

/// The walk from noise to an image's latents, one U-Net evaluation after the other.
///
/// ```swift
/// for step in try model.denoising(noise, prompts: ["a lion"], settings: settings) {
///     preview(step.predictedOriginal)
/// }
/// ```
///
/// A caller may leave the loop at any step. The steps' tensors are ordinary ones, which may enter a graph.
public struct Denoising: Sequence, IteratorProtocol {
    /// Where the walk is after one evaluation.
    public struct Step {
        /// 0 ..< count
        public let index: Int
        /// Steps of the whole walk.
        public let count: Int
        /// The time step that the U-Net was evaluated at.
        public let timestep: Int
        /// The latents that the step led to [N, C, h, w].
        public let latents: Tensor
        /// What the U-Net takes the finished latents to be, [N, C, h, w].
        public let predictedOriginal: Tensor
    }

    private let unet: UNet2DConditionModel
    private var scheduler: any Scheduler
    /// Prompt states [N, …], or with guidance those of the negative prompts and of the prompts [2 N, …].
    private let context: Tensor
    private let guidanceScale: Double?
    private let generators: [Generator]
    private let range: Range<Int>
    private var index: Int
    private var latents: Tensor

    /// - Parameters:
    ///   - latents: [N, C, h, w] at the noise level that `scheduler` has at the first of `range`.
    ///   - context: prompt states [N, tokens, width].
    ///   - negative: states of the negative prompts for classifier-free guidance, or nil for none.
    ///   - range: the scheduler's steps to walk; all by default.
    ///   - generators: N sources of the noise that some schedulers add; DDIM needs none.
    public init(
        _ unet: UNet2DConditionModel, _ latents: Tensor, scheduler: any Scheduler, context: Tensor,
        negative: Tensor? = nil, guidanceScale: Double = 1, range: Range<Int>? = nil, generators: [Generator] = []
    ) {
        self.unet = unet
        self.scheduler = scheduler
        self.context = negative.map { .concatenated([$0, context]) } ?? context
        self.guidanceScale = negative == nil ? nil : guidanceScale
        self.generators = generators
        self.range = range ?? scheduler.timesteps.indices
        self.latents = latents
        index = self.range.lowerBound
    }

    public mutating func next() -> Step? {
        guard index < range.upperBound else { return nil }
        let timestep = scheduler.timesteps[index]
        let result = inferenceMode {
            let output = prediction(scheduler.scaleModelInput(latents, at: index), timestep)
            return scheduler.step(output, at: index, sample: latents) { [generators, latents] in
                let shape = [1] + latents.shape.dropFirst()
                let noise = generators.map { Tensor.randn(shape, generator: $0) }
                return Tensor.concatenated(noise).to(device: latents.device, dtype: latents.dtype)
            }
        }
        latents = result.sample.ordinaryCopy()
        defer { index += 1 }
        return Step(
            index: index - range.lowerBound, count: range.count, timestep: timestep, latents: latents,
            predictedOriginal: result.predictedOriginal.ordinaryCopy())
    }

    private func prediction(_ input: Tensor, _ timestep: Int) -> Tensor {
        let time = Tensor([Int64(timestep)]).to(device: input.device)
        func evaluate(_ batch: Tensor) -> Tensor {
            unet(batch.contiguous(.channelsLast), timesteps: time, context: context)
        }
        guard let guidanceScale else { return evaluate(input) }
        let halves = evaluate(.concatenated([input, input])).chunked(2, dimension: 0)
        return halves[0] + guidanceScale * (halves[1] - halves[0])
    }
}

extension LatentDiffusionModel {
    /// Denoising by DDIM, as a sequence of steps.
    /// - Parameters:
    ///   - latents: [N, C, h, w]: noise, or latents noised to the level of the first step walked.
    ///   - prompts: N texts.
    ///   - lastSteps: walks only this many of `settings.steps`, the last ones; all by default.
    /// - Throws: `TorchError` where a setting or the number of prompts is wrong.
    public func denoising(
        _ latents: Tensor, prompts: [String], settings: GenerationSettings, lastSteps: Int? = nil
    ) throws -> Denoising {
        guard prompts.count == latents.size(0) else {
            throw TorchError("\(prompts.count) prompts for \(latents.size(0)) images: give one for each")
        }
        guard settings.guidanceScale.isFinite else { throw TorchError("guidance \(settings.guidanceScale) is no number") }
        let scheduler = try DDIMScheduler(schedulerConfig, steps: settings.steps)
        let context = embed(prompts)
        let negative = settings.isGuided ? embed([settings.negativePrompt]).expanded([prompts.count, -1, -1]) : nil
        return Denoising(
            unet, latents.to(device: device, dtype: dtype), scheduler: scheduler, context: context, negative: negative,
            guidanceScale: settings.guidanceScale,
            range: max(0, settings.steps - (lastSteps ?? settings.steps))..<settings.steps)
    }

    /// The latents at the end of a walk.
    /// - Parameter onStep: told of every step; what it throws ends the walk.
    /// - Throws: `TorchError`, for a lack of memory too.
    func walk(_ denoising: Denoising, from latents: Tensor, onStep: (Denoising.Step) throws -> Void) throws -> Tensor {
        var denoising = denoising
        var result = latents
        while let step = try withTorchErrors({ denoising.next() }) {
            result = step.latents
            try onStep(step)
        }
        return result
    }
}
