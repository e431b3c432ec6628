import Torch

/// Ancestral sampling of denoising diffusion probabilistic models (Ho et al. 2020).
public struct DDPMScheduler: Scheduler {
    public static let className = "DDPMScheduler"

    public let config: SchedulerConfig
    public let schedule: NoiseSchedule
    public var timesteps: [Double] { levels.map(Double.init) }
    public var isStochastic: Bool { true }

    /// Of the training, falling.
    private let levels: [Int]

    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(["thresholding", "trained_betas"], by: className)
    }

    public init(_ config: SchedulerConfig, steps: Int) throws {
        try Self.check(config)
        self.config = config
        schedule = NoiseSchedule(config)
        levels = try (config.timestepSpacing ?? .leading).timesteps(config, steps: steps).reversed()
    }

    public func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep {
        let alphas = schedule.alphasCumprod
        let alpha = alphas[levels[index]]
        let alphaPrevious = index + 1 < levels.count ? alphas[levels[index + 1]] : 1
        let alphaStep = alpha / alphaPrevious
        let betaStep = 1 - alphaStep

        let original = config.clipped(
            schedule.split(modelOutput, sample: sample, alpha: alpha).original, unlessSet: true)
        // The posterior's mean, equation 7.
        let originalScale = alphaPrevious.squareRoot() * betaStep / (1 - alpha)
        let sampleScale = alphaStep.squareRoot() * (1 - alphaPrevious) / (1 - alpha)
        var result = original * Double(originalScale) + sample * Double(sampleScale)
        if levels[index] > 0 {
            let variance =
                switch config.varianceType ?? .fixedSmall {
                case .fixedSmall: max((1 - alphaPrevious) / (1 - alpha) * betaStep, 1e-20)
                case .fixedLarge: betaStep
                }
            result = result + noise() * Double(variance.squareRoot())
        }
        return SchedulerStep(sample: result, predictedOriginal: original)
    }
}
