import Torch

/// Euler's method over the noise levels σ (Karras et al. 2022, Algorithm 2, without churn).
public struct EulerDiscreteScheduler: Scheduler {
    /// The class of the same name in diffusers, whose numbers it has.
    public static let className = "EulerDiscreteScheduler"

    /// The noise levels that the model was trained at.
    public let schedule: NoiseSchedule
    /// In descending order, fractions among them; one evaluation a step.
    public let timesteps: [Double]
    /// The standard deviation that a walk's first noise is to have: about 14.6 for Stable Diffusion.
    public let initNoiseSigma: Double

    /// σ at each timestep, then the last one.
    private let sigmas: [Float]

    /// Refuses settings that the sampler does not know how to follow.
    /// - Throws: `UserError` naming the setting.
    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(
            ["interpolation_type", "timestep_type", "trained_betas", "use_beta_sigmas", "use_exponential_sigmas"],
            by: className)
    }

    /// A walk of so many steps.
    /// - Throws: `UserError` for settings that are not supported, or a number of steps that cannot be.
    public init(_ config: SchedulerConfig, steps: Int) throws {
        try Self.check(config)
        schedule = NoiseSchedule(config)
        let levels = SigmaSchedule(schedule)
        var timesteps = try Self.timesteps(config, steps: steps)
        var sigmas = timesteps.map { levels.sigma(at: $0) }
        if config.useKarrasSigmas {
            sigmas = SigmaSchedule.karras(
                from: config.sigmaMax ?? sigmas[0], to: config.sigmaMin ?? sigmas[steps - 1], count: steps)
            timesteps = sigmas.map { levels.timestep(of: $0) }
        }
        self.timesteps = timesteps.map { Double(Float($0)) }
        self.sigmas = sigmas.map { Float($0) } + [levels.last(config.finalSigma)]
        initNoiseSigma = Self.initNoiseSigma(config, self.sigmas)
    }

    /// Falling; `linspace` gives fractions of the training's timesteps.
    static func timesteps(_ config: SchedulerConfig, steps: Int) throws -> [Double] {
        let spacing = config.timestepSpacing ?? .linspace
        guard spacing == .linspace else {
            return try spacing.timesteps(config, steps: steps).reversed().map(Double.init)
        }
        try TimestepSpacing.check(steps, config.trainTimesteps)
        let distance = Double(config.trainTimesteps - 1) / Double(max(steps - 1, 1))
        return (0..<steps).reversed().map { Double(Float(Double($0) * distance)) }
    }

    static func initNoiseSigma(_ config: SchedulerConfig, _ sigmas: [Float]) -> Double {
        let highest = sigmas.max() ?? 1
        return Double(config.timestepSpacing == .leading ? (highest * highest + 1).squareRoot() : highest)
    }

    /// The sample divided by √(σ² + 1), so that it has about unit variance.
    public func scaleModelInput(_ sample: Tensor, at index: Int) -> Tensor {
        sample / Double((sigmas[index] * sigmas[index] + 1).squareRoot())
    }

    /// Goes from `timesteps[index]` to the next level along the derivative; draws no noise.
    public func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep {
        let sigma = sigmas[index]
        let original = schedule.original(modelOutput, sample: sample, sigma: sigma)
        let derivative = (sample - original) / Double(sigma)
        return SchedulerStep(
            sample: sample + derivative * Double(sigmas[index + 1] - sigma), predictedOriginal: original)
    }

    /// Clean samples [N, …] plus σ of `timesteps[index]` times noise of the same shape.
    public func addNoise(to original: Tensor, noise: Tensor, at index: Int) -> Tensor {
        original + noise * Double(sigmas[index])
    }
}

extension NoiseSchedule {
    /// The clean sample that a model's output implies for x₀ + σ ε.
    func original(_ output: Tensor, sample: Tensor, sigma: Float) -> Tensor {
        let square = sigma * sigma + 1
        return switch predictionType {
        case .epsilon: sample - output * Double(sigma)
        case .sample: output
        case .velocity: output * Double(-sigma / square.squareRoot()) + sample / Double(square)
        }
    }
}
