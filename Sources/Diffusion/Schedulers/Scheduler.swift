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
/// To begin in the middle (image to image), add noise at `timesteps[start]` and walk from `start` on.
public protocol Scheduler: Sendable {
    /// The name of the class in diffusers.
    static var className: String { get }

    /// - Parameter steps: number of model evaluations of a whole walk, 1 ... `config.trainTimesteps`.
    /// - Throws: `TorchError` if there cannot be so many steps.
    init(_ config: SchedulerConfig, steps: Int) throws

    /// The noise levels that the model was trained at.
    var schedule: NoiseSchedule { get }
    /// The timesteps at which the model is evaluated, in this order.
    var timesteps: [Int] { get }
    /// Standard deviation of the noise that a walk begins with.
    var initNoiseSigma: Double { get }

    /// The sample as the model takes it at `timesteps[index]`.
    func scaleModelInput(_ sample: Tensor, at index: Int) -> Tensor

    /// Goes from `timesteps[index]` to the next.
    ///
    /// - Parameters:
    ///   - modelOutput: the model's prediction for `sample`, of its shape.
    ///   - noise: called once if the step adds noise; returns standard normal noise of the sample's shape.
    mutating func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep
}

extension Scheduler {
    public var initNoiseSigma: Double { 1 }

    public func scaleModelInput(_ sample: Tensor, at index: Int) -> Tensor { sample }

    /// Goes from `timesteps[index]` to the next; noise, where it is needed, comes from `generator`.
    public mutating func step(
        _ modelOutput: Tensor, at index: Int, sample: Tensor, generator: Generator
    ) -> SchedulerStep {
        step(modelOutput, at: index, sample: sample) {
            Tensor.randn(sample.shape, generator: generator, dtype: sample.dtype).to(device: sample.device)
        }
    }

    /// See ``NoiseSchedule/addNoise(to:noise:timesteps:)``.
    public func addNoise(to original: Tensor, noise: Tensor, timesteps: [Int]) -> Tensor {
        schedule.addNoise(to: original, noise: noise, timesteps: timesteps)
    }
}

/// All samplers there are.
private let samplers: [any Scheduler.Type] = [DDIMScheduler.self, DDPMScheduler.self, DDIMInverseScheduler.self]

/// Makes a sampler.
///
/// - Parameters:
///   - config: the model's settings.
///   - name: the sampler's class in diffusers; the one that `config` names by default.
///   - steps: number of model evaluations of a whole walk.
/// - Throws: `TorchError` if there is no such sampler, or it cannot make so many steps.
public func makeScheduler(_ config: SchedulerConfig, name: String? = nil, steps: Int) throws -> any Scheduler {
    let name = name ?? config.className
    guard let type = samplers.first(where: { $0.className == name }) else {
        throw TorchError.unknown("scheduler", name, among: samplers.map { $0.className })
    }
    return try type.init(config, steps: steps)
}

extension TimestepSpacing {
    /// `steps` timesteps in ascending order.
    ///
    /// - Throws: `TorchError` if there are not so many timesteps.
    func timesteps(_ config: SchedulerConfig, steps: Int) throws -> [Int] {
        let total = config.trainTimesteps
        guard (1...total).contains(steps) else {
            throw TorchError("\(steps) sampling steps: choose 1 to \(total), the number of training timesteps")
        }
        let timesteps: [Int]
        switch self {
        case .leading: timesteps = (0..<steps).map { $0 * (total / steps) + config.stepsOffset }
        case .linspace:
            let distance = Double(total - 1) / Double(max(steps - 1, 1))
            timesteps = (0..<steps).map { Int((Double($0) * distance).rounded(.toNearestOrEven)) }
        case .trailing:
            // The rounded difference, not the exact one: some halves would fall to the other side.
            let distance = Double(total) - (Double(total) - Double(total) / Double(steps))
            timesteps = (0..<steps).reversed().map {
                Int((Double(total) - Double($0) * distance).rounded(.toNearestOrEven)) - 1
            }
        }
        guard let last = timesteps.last, last < total else {
            throw TorchError(
                "\(steps) sampling steps with offset \(config.stepsOffset) leave the \(total) training timesteps: "
                    + "choose fewer steps")
        }
        return timesteps
    }
}

extension SchedulerConfig {
    /// Clamps a predicted x₀ if the model's samples are bounded.
    func clipped(_ original: Tensor) -> Tensor {
        clipSample ? original.clamp(min: -clipSampleRange, max: clipSampleRange) : original
    }
}
