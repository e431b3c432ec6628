import Foundations
import Torch

/// The walk from noise to an image's latents, one U-Net evaluation after the other.
///
/// ```swift
/// for step in try model.denoising(noise, prompts: ["a lion"], settings: settings) {
///     preview(step.predictedOriginal)
/// }
/// ```
///
/// A caller may leave the loop at any step, and go on from there later, in another process too: ``state`` is all that
/// the rest of the walk depends on. The steps' tensors are ordinary ones, which may enter a graph. Latents are kept in
/// single precision whatever the U-Net computes in.
public struct Denoising: Sequence, IteratorProtocol {
    /// Where the walk is after one evaluation.
    public struct Step {
        /// The evaluation's number in the whole walk: 0 ..< ``count``.
        public let index: Int
        /// Evaluations of the whole walk, from noise to an image.
        public let count: Int
        /// The time step that the U-Net was evaluated at.
        public let timestep: Double
        /// The latents that the step led to [N, C, h, w].
        public let latents: Tensor
        /// What the U-Net takes the finished latents to be, [N, C, h, w].
        public let predictedOriginal: Tensor
    }

    /// Classifier-free guidance (Ho and Salimans 2022).
    public struct Guidance {
        /// States of the negative prompts [N, tokens, width].
        public let negative: Tensor
        /// Weight of the difference between prompt and negative prompt, one for each image or one for all; 1 is no guidance.
        public let scales: [Double]
        /// How far guided predictions are brought back to the spread of unguided ones, 0…1; see
        /// ``GenerationSettings/guidanceRescale``.
        public let rescale: Double

        /// Guidance away from negative prompts, whose states are [N, tokens, width].
        public init(negative: Tensor, scale: Double, rescale: Double = 0) {
            self.init(negative: negative, scales: [scale], rescale: rescale)
        }

        /// The same with a weight for each image: N scales.
        public init(negative: Tensor, scales: [Double], rescale: Double = 0) {
            self.negative = negative
            self.scales = Set(scales).count == 1 ? [scales[0]] : scales
            self.rescale = rescale
        }

        /// - Parameter outputs: the U-Net's for the negative prompts, then for the prompts [2 N, …].
        func callAsFunction(_ outputs: Tensor) -> Tensor {
            let halves = outputs.chunked(2, dimension: 0)
            let guided = halves[0] + weighted(halves[1] - halves[0])
            guard rescale > 0 else { return guided }
            func deviation(_ x: Tensor) -> Tensor {
                x.variance([1, 2, 3], correction: 1, keepDimensions: true).sqrt()
            }
            let rescaled = guided * (deviation(halves[1]) / deviation(guided))
            return rescale * rescaled + (1 - rescale) * guided
        }

        private func weighted(_ difference: Tensor) -> Tensor {
            guard scales.count > 1 else { return scales[0] * difference }
            return Tensor(scales.map(Float.init), shape: [scales.count, 1, 1, 1], device: difference.device)
                * difference
        }
    }

    /// Whose content and style the images take over while they are drawn: ``AttentionInjection``.
    public struct Injection {
        /// How the U-Net's self-attentions take over.
        public let attention: AttentionInjection
        /// The contents' noisy latents [N, C, h, w] at one of the scheduler's evaluations, counted from 0.
        public let content: (_ evaluation: Int) -> Tensor
        /// The styles' likewise.
        public let style: (_ evaluation: Int) -> Tensor

        /// An injection from images whose latents are known all along the walk: noised to each level, or inverted.
        public init(
            _ attention: AttentionInjection, content: @escaping (_ evaluation: Int) -> Tensor,
            style: @escaping (_ evaluation: Int) -> Tensor
        ) {
            self.attention = attention
            self.content = content
            self.style = style
        }
    }

    private let unet: UNet2DConditionModel
    private var scheduler: any Scheduler
    /// Prompt states [N, …], or with guidance those of the negative prompts and of the prompts [2 N, …].
    private let context: Tensor
    private let guidance: Guidance?
    private let injection: Injection?
    private let guidanceScale: Double?
    private let generators: [Generator]
    private let range: Range<Int>
    private var index: Int
    private var latents: Tensor

    /// A walk from noise, or from anywhere on the way.
    /// - Parameters:
    ///   - latents: [N, C, h, w] at the noise level that `scheduler` has at the first of `range`.
    ///   - context: prompt states [N, tokens, width].
    ///   - guidance: nil for none, at half the cost.
    ///   - guidanceScale: for a U-Net that was distilled with guidance, the scale that it is told.
    ///   - range: the scheduler's evaluations to walk; all by default.
    ///   - generators: N sources of the noise that some schedulers add.
    ///   - injection: contents and styles that the images take over, seen under the same prompts without guidance.
    public init(
        _ unet: UNet2DConditionModel, _ latents: Tensor, scheduler: any Scheduler, context: Tensor,
        guidance: Guidance? = nil, guidanceScale: Double? = nil, range: Range<Int>? = nil,
        generators: [Generator] = [], injection: Injection? = nil
    ) {
        self.unet = unet
        self.scheduler = scheduler
        let states = (guidance.map { [$0.negative] } ?? []) + [context] + (injection == nil ? [] : [context, context])
        self.context = states.count == 1 ? context : .concatenated(states)
        self.injection = injection
        self.guidance = guidance
        self.guidanceScale = guidanceScale
        self.generators = generators
        self.range = range ?? scheduler.timesteps.indices
        self.latents = latents.to(dtype: .float32)
        index = self.range.lowerBound
    }

    /// Evaluates the U-Net once and takes the step; nil at the end.
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

    private func prediction(_ input: Tensor, _ timestep: Double) -> Tensor {
        let time = Tensor([Float(timestep)]).to(device: input.device)
        let drawn = guidance == nil ? [input] : [input, input]
        let others = [injection?.content, injection?.style].compactMap { $0 }.map {
            scheduler.scaleModelInput($0(index), at: index).to(device: input.device, dtype: .float32)
        }
        let rows = drawn + others
        let batch = (rows.count == 1 ? input : .concatenated(rows)).to(dtype: unet.store.dtype)
        let outputs = unet(
            batch.contiguous(.channelsLast), timesteps: time, context: context, guidanceScale: guidanceScale,
            injection: injection.map { ($0.attention, input.size(0)) }
        ).to(dtype: .float32)
        let own = others.isEmpty ? outputs : outputs[0..<drawn.count * input.size(0)]
        return guidance?(own) ?? own
    }

    // MARK: Going on later

    /// Where the walk is: the latents, what the scheduler remembers, and the generators' states.
    public var state: StateDict {
        var state = StateDict()
        state["index"] = Tensor([Int64(index)])
        state["latents"] = latents
        for (name, tensor) in scheduler.memory.sorted(by: { $0.key < $1.key }) {
            state["scheduler.\(name)"] = tensor.ordinaryCopy()
        }
        for (number, generator) in generators.enumerated() { state["generator.\(number)"] = generator.state }
        return state
    }

    /// Goes on from a ``state`` of a walk that was made like this one.
    /// - Throws: `UserError` for the state of another walk.
    public mutating func restore(_ state: StateDict) throws {
        guard let place = state["index"].map({ Int($0.item()) }), let kept = state["latents"],
            (range.lowerBound...range.upperBound).contains(place), kept.shape == latents.shape,
            generators.indices.allSatisfy({ state["generator.\($0)"] != nil })
        else {
            throw UserError(
                "the kept state is not of this walk; begin again, or with the settings that it was kept with")
        }
        index = place
        latents = kept.to(device: latents.device, dtype: .float32)
        for (number, generator) in generators.enumerated() {
            if let kept = state["generator.\(number)"] { generator.state = kept }
        }
        var memory: [String: Tensor] = [:]
        for name in state.names where name.hasPrefix("scheduler.") {
            memory[String(name.dropFirst("scheduler.".count))] = state[name]?.to(device: latents.device)
        }
        scheduler.memory = memory
    }
}

extension LatentDiffusionModel {
    /// Denoising as a sequence of steps.
    /// - Parameters:
    ///   - latents: ``startLatents(_:settings:)``, or latents at the level of the first step walked; [N, C, h, w].
    ///   - prompts: N texts.
    ///   - lastSteps: walks only this many of `settings.steps`, the last ones; all by default.
    ///   - generators: N sources of noise, for the schedulers that draw some in every step.
    ///   - injection: contents and styles that the images take over; none by default.
    /// - Throws: `UserError` where a setting or the number of prompts or generators is wrong.
    public func denoising(
        _ latents: Tensor, prompts: [String], settings: GenerationSettings, lastSteps: Int? = nil,
        generators: [Generator] = [], injection: Denoising.Injection? = nil
    ) throws -> Denoising {
        try denoising(
            latents, conditions: prompts.map { TextCondition($0) }, settings: settings, lastSteps: lastSteps,
            generators: generators, injection: injection)
    }

    /// As ``denoising(_:prompts:settings:lastSteps:generators:injection:)``, under N conditions.
    /// - Throws: also `UserError` for guidance of single images by a U-Net that was distilled with guidance.
    public func denoising(
        _ latents: Tensor, conditions prompts: [TextCondition], settings: GenerationSettings, lastSteps: Int? = nil,
        generators: [Generator] = [], injection: Denoising.Injection? = nil
    ) throws -> Denoising {
        guard prompts.count == latents.size(0) else {
            throw UserError("\(prompts.count) prompts for \(latents.size(0)) images: give one for each")
        }
        guard unet.config.guidanceWidth == nil || prompts.allSatisfy({ $0.guidanceScale == nil }) else {
            throw UserError("a model that was distilled with guidance takes one weight for all images; give one")
        }
        try settings.check()
        let scheduler = try scheduler(settings, lastSteps: lastSteps)
        guard !scheduler.isStochastic || generators.count == prompts.count else {
            throw UserError(
                "\(type(of: scheduler).className) draws noise in every step, but there are \(generators.count) seeds for "
                    + "\(prompts.count) images: give one for each")
        }
        return denoising(
            latents, conditions: prompts, along: scheduler, settings: settings,
            range: settings.evaluations(of: scheduler, lastSteps: lastSteps), generators: generators,
            injection: injection)
    }

    /// A walk along a scheduler, of which a part may be taken; of the settings only guidance counts.
    func denoising(
        _ latents: Tensor, conditions: [TextCondition], along scheduler: any Scheduler, settings: GenerationSettings,
        range: Range<Int>, generators: [Generator] = [], injection: Denoising.Injection? = nil
    ) -> Denoising {
        let count = conditions.count
        let scales = conditions.map { $0.guidanceScale ?? settings.guidanceScale }
        let isGuided = unet.config.guidanceWidth == nil && scales.contains { $0 > 1 }
        let states = embed(conditions + (isGuided ? [TextCondition(settings.negativePrompt)] : []))
        let guidance =
            isGuided
            ? Denoising.Guidance(
                negative: states[count].expanded([count, -1, -1]), scales: scales, rescale: settings.guidanceRescale)
            : nil
        return Denoising(
            unet, latents.to(device: device), scheduler: scheduler, context: states[0..<count], guidance: guidance,
            guidanceScale: unet.config.guidanceWidth == nil ? nil : settings.guidanceScale, range: range,
            generators: generators, injection: injection)
    }

    /// The sampler that the settings name, made of the model's settings.
    /// - Parameter lastSteps: as of the walk; nil for one from pure noise.
    /// - Throws: `UserError` for one that there is not, or that cannot take so many steps.
    public func scheduler(_ settings: GenerationSettings, lastSteps: Int? = nil) throws -> any Scheduler {
        if lastSteps != nil, beginsAtStrength(settings) {
            return try LCMScheduler(schedulerConfig, steps: settings.steps, strength: settings.strength)
        }
        return try makeScheduler(schedulerConfig, name: settings.scheduler, steps: settings.steps, eta: settings.eta)
    }

    /// The steps that image to image walks, the last ones of the settings' or all of them.
    /// - Throws: `UserError` for a strength or a number of steps that cannot be.
    public func imageToImageSteps(_ settings: GenerationSettings) throws -> Int {
        guard beginsAtStrength(settings), settings.strength > 0, settings.strength <= 1 else {
            return try settings.imageToImageSteps()
        }
        return settings.steps
    }

    /// Whether image to image spreads all steps over the noise levels up to its strength: diffusers' pipeline of latent
    /// consistency models does, where the others leave the first steps out.
    private func beginsAtStrength(_ settings: GenerationSettings) -> Bool {
        isConsistencyModel && settings.eta == 0
            && (settings.scheduler ?? schedulerConfig.className) == LCMScheduler.className
    }

    /// The passes through the U-Net that make one image.
    /// - Parameter lastSteps: of how many of the steps; all by default.
    /// - Throws: as ``scheduler(_:lastSteps:)``.
    public func unetEvaluations(_ settings: GenerationSettings, lastSteps: Int? = nil) throws -> Int {
        try settings.evaluations(of: scheduler(settings, lastSteps: lastSteps), lastSteps: lastSteps).count
            * (isGuided(settings) ? 2 : 1)
    }

    /// Whether the U-Net sees every image twice in a step, with the prompt and with the negative prompt. One that was
    /// distilled with guidance (a latent consistency model) is told the scale instead.
    public func isGuided(_ settings: GenerationSettings) -> Bool {
        settings.guidanceScale > 1 && unet.config.guidanceWidth == nil
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

extension GenerationSettings {
    /// - Throws: `UserError` naming the setting that is out of range.
    func check() throws {
        guard guidanceScale.isFinite else { throw UserError("guidance \(guidanceScale) is no number") }
        guard (0...1).contains(guidanceRescale) else {
            throw UserError("guidance rescale \(guidanceRescale): choose one from 0 to 1")
        }
        guard (0...1).contains(eta) else { throw UserError("eta \(eta): choose one from 0 to 1") }
    }

    /// The evaluations that walk the last steps, as diffusers counts them: a scheduler that evaluates more often than
    /// once a step does so at the beginning.
    func evaluations(of scheduler: any Scheduler, lastSteps: Int?) -> Range<Int> {
        let count = scheduler.timesteps.count
        return min(max(0, steps - (lastSteps ?? steps)), count)..<count
    }
}
