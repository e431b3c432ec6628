import Torch

/// DDIM run backwards: from an image's latents to the noise that DDIM would make them of.
///
/// The model is evaluated at `timesteps[index]` on a sample whose noise level is that of the timestep before.
public struct DDIMInverseScheduler: Scheduler {
    public static let className = "DDIMInverseScheduler"

    public let config: SchedulerConfig
    public let schedule: NoiseSchedule
    /// In ascending order.
    public let timesteps: [Int]

    private let stride: Int

    public init(_ config: SchedulerConfig, steps: Int) throws {
        guard config.timestepSpacing != .linspace else {
            throw TorchError("DDIM inversion has no linspace timesteps: choose leading or trailing")
        }
        self.config = config
        schedule = NoiseSchedule(config)
        timesteps = try config.timestepSpacing.timesteps(config, steps: steps)
        stride = config.trainTimesteps / steps
    }

    public func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep {
        let alphas = schedule.alphasCumprod
        let current = timesteps[index] - stride
        let alpha = current >= 0 ? alphas[current] : config.setAlphaToOne ? 1 : alphas[0]
        let alphaNext = alphas[timesteps[index]]

        let split = schedule.split(modelOutput, sample: sample, alpha: alpha)
        let original = config.clipped(split.original)
        let result =
            original * Double(alphaNext.squareRoot()) + split.noise * Double((1 - alphaNext).squareRoot())
        return SchedulerStep(sample: result, predictedOriginal: original)
    }
}
