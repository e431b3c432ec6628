import Torch

/// Ancestral sampling of denoising diffusion probabilistic models (Ho et al. 2020).
public struct DDPMScheduler: Scheduler {
    public static let className = "DDPMScheduler"

    public let config: SchedulerConfig
    public let schedule: NoiseSchedule
    public let timesteps: [Int]

    public init(_ config: SchedulerConfig, steps: Int) throws {
        self.config = config
        schedule = NoiseSchedule(config)
        timesteps = try config.timestepSpacing.timesteps(config, steps: steps).reversed()
    }

    public func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep {
        let alphas = schedule.alphasCumprod
        let alpha = alphas[timesteps[index]]
        let alphaPrevious = index + 1 < timesteps.count ? alphas[timesteps[index + 1]] : 1
        let alphaStep = alpha / alphaPrevious
        let betaStep = 1 - alphaStep

        let original = config.clipped(schedule.split(modelOutput, sample: sample, alpha: alpha).original)
        // The posterior's mean, equation 7.
        let originalScale = alphaPrevious.squareRoot() * betaStep / (1 - alpha)
        let sampleScale = alphaStep.squareRoot() * (1 - alphaPrevious) / (1 - alpha)
        var result = original * Double(originalScale) + sample * Double(sampleScale)
        if timesteps[index] > 0 {
            let variance =
                switch config.varianceType {
                case .fixedSmall: max((1 - alphaPrevious) / (1 - alpha) * betaStep, 1e-20)
                case .fixedLarge: betaStep
                }
            result = result + noise() * Double(variance.squareRoot())
        }
        return SchedulerStep(sample: result, predictedOriginal: original)
    }
}
