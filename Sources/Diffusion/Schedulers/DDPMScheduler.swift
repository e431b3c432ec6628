import Torch

/// Ancestral sampling of denoising diffusion probabilistic models (Ho et al. 2020).
public struct DDPMScheduler: Scheduler {
    /// The class of the same name in diffusers, whose numbers it has.
    public static let className = "DDPMScheduler"

    /// The settings that it was made of.
    public let config: SchedulerConfig
    /// The noise levels that the model was trained at.
    public let schedule: NoiseSchedule
    /// In descending order; one evaluation a step.
    public var timesteps: [Double] { levels.map(Double.init) }
    /// Always: but for the last step, noise is drawn.
    public var isStochastic: Bool { true }

    /// Of the training, falling.
    private let levels: [Int]

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
    }

    /// Goes from `timesteps[index]` to the next level (equation 7 of the paper) and adds noise.
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
