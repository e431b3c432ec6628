import Torch

/// Denoising diffusion implicit models (Song et al. 2021): deterministic for η = 0.
public struct DDIMScheduler: Scheduler {
    public static let className = "DDIMScheduler"

    public let config: SchedulerConfig
    public let schedule: NoiseSchedule
    public var timesteps: [Double] { levels.map(Double.init) }
    /// How much of the noise is drawn anew in each step: 0 none, 1 as much as DDPM.
    public var eta = 0.0

    public var isStochastic: Bool { eta > 0 }

    /// Of the training, falling.
    private let levels: [Int]
    private let stride: Int

    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(["thresholding", "trained_betas"], by: className)
    }

    public init(_ config: SchedulerConfig, steps: Int) throws {
        try Self.check(config)
        self.config = config
        schedule = NoiseSchedule(config)
        levels = try (config.timestepSpacing ?? .leading).timesteps(config, steps: steps).reversed()
        stride = config.trainTimesteps / steps
    }

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
