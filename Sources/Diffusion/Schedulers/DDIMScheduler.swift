import Torch

/// Denoising diffusion implicit models (Song et al. 2021): deterministic for η = 0.
public struct DDIMScheduler: Scheduler {
    /// The class of the same name in diffusers, whose numbers it has.
    public static let className = "DDIMScheduler"

    /// The settings that it was made of.
    public let config: SchedulerConfig
    /// The noise levels that the model was trained at.
    public let schedule: NoiseSchedule
    /// In descending order; one evaluation a step.
    public var timesteps: [Double] { levels.map(Double.init) }
    /// How much of the noise is drawn anew in each step: 0 none, 1 as much as DDPM.
    public var eta = 0.0

    /// Whether noise is drawn: where η is above 0.
    public var isStochastic: Bool { eta > 0 }

    /// Of the training, falling.
    private let levels: [Int]
    private let stride: Int

    /// Refuses settings that the sampler does not know how to follow.
    /// - Throws: `UserError` naming the setting.
    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(["thresholding", "trained_betas"], by: className)
    }

    /// A walk of so many steps.
    /// - Throws: `UserError` for settings that are not supported, or a number of steps that cannot be.
    public init(_ config: SchedulerConfig, steps: Int) throws {
        try Self.check(config)
        self.config = config
        schedule = NoiseSchedule(config)
        levels = try (config.timestepSpacing ?? .leading).timesteps(config, steps: steps).reversed()
        stride = config.trainTimesteps / steps
    }

    /// Goes from `timesteps[index]` to the next level (equation 12 of the paper).
    public func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep {
        let alphas = schedule.alphasCumprod
        let alpha = alphas[levels[index]]
        let previous = levels[index] - stride
        let alphaPrevious = previous >= 0 ? alphas[previous] : config.setAlphaToOne ?? true ? 1 : alphas[0]

        let split = schedule.split(modelOutput, sample: sample, alpha: alpha)
        let original = config.clipped(split.original, unlessSet: true)
        let variance = (1 - alphaPrevious) / (1 - alpha) * (1 - alpha / alphaPrevious)
        let sigma = Float(eta) * variance.squareRoot()
        let direction = (1 - alphaPrevious - sigma * sigma).squareRoot()
        var result = original * Double(alphaPrevious.squareRoot()) + split.noise * Double(direction)
        if eta > 0 { result = result + noise() * Double(sigma) }
        return SchedulerStep(sample: result, predictedOriginal: original)
    }
}
