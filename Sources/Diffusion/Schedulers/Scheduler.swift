import Foundations
import Torch

/// What one step of a sampler gives.
public struct SchedulerStep: Sendable {
    /// The sample at the next timestep.
    public let sample: Tensor
    /// The model's current idea of the finished sample x₀.
    public let predictedOriginal: Tensor
}

/// A sampler: it walks a sample along ``timesteps``, asking a model for its prediction at each.
///
/// ```swift
/// var scheduler = try makeScheduler(config, steps: 50)
/// var latents = Tensor.randn(shape, generator: generator) * scheduler.initNoiseSigma
/// for (index, timestep) in scheduler.timesteps.enumerated() {
///     let output = unet(scheduler.scaleModelInput(latents, at: index), timestep, context)
///     latents = scheduler.step(output, at: index, sample: latents, generator: generator).sample
/// }
/// ```
///
/// A sampler that evaluates the model several times in a step has as many ``timesteps``. To begin in the middle (image
/// to image), bring the sample to the noise level there with ``addNoise(to:noise:at:)`` and walk from there on.
public protocol Scheduler: Sendable {
    /// The name of the class in diffusers.
    static var className: String { get }

    /// Whether the settings are ones that this sampler can be made of.
    /// - Throws: `UserError` naming the setting that is not supported.
    static func check(_ config: SchedulerConfig) throws

    /// A sampler for one walk.
    /// - Parameter steps: number of steps of a whole walk, 1 ... `config.trainTimesteps`.
    /// - Throws: `UserError` if there cannot be so many steps, or what ``check(_:)`` throws.
    init(_ config: SchedulerConfig, steps: Int) throws

    /// The noise levels that the model was trained at.
    var schedule: NoiseSchedule { get }
    /// The timesteps at which the model is evaluated, in this order; some samplers' lie between those of the training.
    var timesteps: [Double] { get }
    /// Standard deviation of the noise that a walk begins with.
    var initNoiseSigma: Double { get }
    /// Whether ``step(_:at:sample:noise:)`` draws noise.
    var isStochastic: Bool { get }
    /// What the sampler remembers of the steps taken, by name: kept with a checkpoint, and set to go on from one.
    var memory: [String: Tensor] { get set }

    /// The sample as the model takes it at `timesteps[index]`.
    func scaleModelInput(_ sample: Tensor, at index: Int) -> Tensor

    /// Goes from `timesteps[index]` to the next.
    ///
    /// - Parameters:
    ///   - modelOutput: the model's prediction for `sample`, of its shape.
    ///   - noise: called once if the step adds noise; returns standard normal noise of the sample's shape.
    mutating func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep

    /// Clean samples [N, …] brought to the noise level of `timesteps[index]` with noise of the same shape.
    func addNoise(to original: Tensor, noise: Tensor, at index: Int) -> Tensor
}

extension Scheduler {
    /// 1: the sample of a walk's beginning is standard normal noise.
    public var initNoiseSigma: Double { 1 }

    /// Whether noise is drawn; samplers that draw none need not say so.
    public var isStochastic: Bool { false }

    /// Nothing: samplers of one step remember nothing of those before.
    public var memory: [String: Tensor] {
        get { [:] }
        set {}
    }

    /// The sample as it is; samplers over σ scale it.
    public func scaleModelInput(_ sample: Tensor, at index: Int) -> Tensor { sample }

    /// Clean samples mixed with noise as the training did at `timesteps[index]`
    /// (``NoiseSchedule/addNoise(to:noise:timesteps:)``).
    public func addNoise(to original: Tensor, noise: Tensor, at index: Int) -> Tensor {
        schedule.addNoise(to: original, noise: noise, timesteps: [Int(timesteps[index])])
    }

    /// Goes from `timesteps[index]` to the next; noise, where it is needed, comes from `generator`.
    public mutating func step(
        _ modelOutput: Tensor, at index: Int, sample: Tensor, generator: Generator
    ) -> SchedulerStep {
        step(modelOutput, at: index, sample: sample) {
            Tensor.randn(sample.shape, generator: generator, dtype: sample.dtype).to(device: sample.device)
        }
    }
}

/// All samplers there are.
private let samplers: [any Scheduler.Type] = [
    DDIMScheduler.self, DDPMScheduler.self, PNDMScheduler.self, EulerDiscreteScheduler.self,
    EulerAncestralDiscreteScheduler.self, DPMSolverMultistepScheduler.self, UniPCMultistepScheduler.self,
    LCMScheduler.self, DDIMInverseScheduler.self,
]

/// The names of all samplers, those of their classes in diffusers.
public let schedulerNames = samplers.map { $0.className }

/// - Throws: `UserError` naming the samplers there are.
func samplerType(_ name: String) throws -> any Scheduler.Type {
    guard let type = samplers.first(where: { $0.className == name }) else {
        throw UserError.unknown("scheduler", name, among: schedulerNames)
    }
    return type
}

/// Makes a sampler.
///
/// - Parameters:
///   - config: the model's settings.
///   - name: the sampler's class in diffusers; the one that `config` names by default.
///   - steps: number of steps of a whole walk.
///   - eta: of ``DDIMScheduler``: how much of the noise is drawn anew in each step.
/// - Throws: `UserError` if there is no such sampler, or it cannot be made of these settings or make so many steps.
public func makeScheduler(
    _ config: SchedulerConfig, name: String? = nil, steps: Int, eta: Double = 0
) throws -> any Scheduler {
    var config = config
    config.className = name ?? config.className
    let type = try samplerType(config.className)
    let scheduler = try type.init(config, steps: steps)
    guard eta > 0 else { return scheduler }
    guard var ddim = scheduler as? DDIMScheduler else {
        throw UserError("eta is a setting of \(DDIMScheduler.className), not of \(type.className)")
    }
    ddim.eta = eta
    return ddim
}
