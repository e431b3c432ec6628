import Foundations
import Torch

/// Euler's method over the noise levels σ with a part of the noise drawn anew in each step.
public struct EulerAncestralDiscreteScheduler: Scheduler {
    public static let className = "EulerAncestralDiscreteScheduler"

    public let schedule: NoiseSchedule
    public let timesteps: [Double]
    public let initNoiseSigma: Double
    public var isStochastic: Bool { true }

    /// σ at each timestep, then 0.
    private let sigmas: [Float]

    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(["trained_betas"], by: className)
        guard config.predictionType != .sample else {
            throw UserError("prediction_type is sample, which \(className) does not take; choose another scheduler")
        }
    }

    public init(_ config: SchedulerConfig, steps: Int) throws {
        try Self.check(config)
        schedule = NoiseSchedule(config)
        let levels = SigmaSchedule(schedule)
        timesteps = try EulerDiscreteScheduler.timesteps(config, steps: steps)
        sigmas = timesteps.map { Float(levels.sigma(at: $0)) } + [0]
        initNoiseSigma = EulerDiscreteScheduler.initNoiseSigma(config, sigmas)
    }

    public func scaleModelInput(_ sample: Tensor, at index: Int) -> Tensor {
        sample / Double((sigmas[index] * sigmas[index] + 1).squareRoot())
    }

    public func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep {
        let (sigma, next) = (sigmas[index], sigmas[index + 1])
        let original = schedule.original(modelOutput, sample: sample, sigma: sigma)
        let up = (next * next * (sigma * sigma - next * next) / (sigma * sigma)).squareRoot()
        let down = (next * next - up * up).squareRoot()
        let derivative = (sample - original) / Double(sigma)
        let result = sample + derivative * Double(down - sigma)
        return SchedulerStep(sample: result + noise() * Double(up), predictedOriginal: original)
    }

    public func addNoise(to original: Tensor, noise: Tensor, at index: Int) -> Tensor {
        original + noise * Double(sigmas[index])
    }
}
