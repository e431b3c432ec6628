import Foundations
import Torch

/// Euler's method over the noise levels σ with a part of the noise drawn anew in each step.
public struct EulerAncestralDiscreteScheduler: Scheduler {
    /// The class of the same name in diffusers, whose numbers it has.
    public static let className = "EulerAncestralDiscreteScheduler"

    /// The noise levels that the model was trained at.
    public let schedule: NoiseSchedule
    /// In descending order; one evaluation a step.
    public let timesteps: [Double]
    /// The standard deviation that a walk's first noise is to have: about 14.6 for Stable Diffusion.
    public let initNoiseSigma: Double
    /// Always: but for the last step, noise is drawn.
    public var isStochastic: Bool { true }

    /// σ at each timestep, then 0.
    private let sigmas: [Float]

    /// Refuses settings that the sampler does not know how to follow.
    /// - Throws: `UserError` naming the setting.
    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(["trained_betas"], by: className)
        guard config.predictionType != .sample else {
            throw UserError("prediction_type is sample, which \(className) does not take; choose another scheduler")
        }
    }

    /// A walk of so many steps.
    /// - Throws: `UserError` for settings that are not supported, or a number of steps that cannot be.
    public init(_ config: SchedulerConfig, steps: Int) throws {
        try Self.check(config)
        schedule = NoiseSchedule(config)
        let levels = SigmaSchedule(schedule)
        timesteps = try EulerDiscreteScheduler.timesteps(config, steps: steps)
        sigmas = timesteps.map { Float(levels.sigma(at: $0)) } + [0]
        initNoiseSigma = EulerDiscreteScheduler.initNoiseSigma(config, sigmas)
    }

    /// The sample divided by √(σ² + 1), so that it has about unit variance.
    public func scaleModelInput(_ sample: Tensor, at index: Int) -> Tensor {
        sample / Double((sigmas[index] * sigmas[index] + 1).squareRoot())
    }

    /// Goes below the next level by Euler's method and comes back to it with noise.
    public func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep {
        let (sigma, next) = (sigmas[index], sigmas[index + 1])
        let original = schedule.original(modelOutput, sample: sample, sigma: sigma)
        let up = (next * next * (sigma * sigma - next * next) / (sigma * sigma)).squareRoot()
        let down = (next * next - up * up).squareRoot()
        let derivative = (sample - original) / Double(sigma)
        let result = sample + derivative * Double(down - sigma)
        return SchedulerStep(sample: result + noise() * Double(up), predictedOriginal: original)
    }

    /// Clean samples [N, …] plus σ of `timesteps[index]` times noise of the same shape.
    public func addNoise(to original: Tensor, noise: Tensor, at index: Int) -> Tensor {
        original + noise * Double(sigmas[index])
    }
}
