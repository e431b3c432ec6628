import Foundations
import Torch

/// DDIM run backwards: from an image's latents to the noise that DDIM would make them of.
///
/// The model is evaluated at `timesteps[index]` on a sample whose noise level is that of the timestep before.
public struct DDIMInverseScheduler: Scheduler {
    /// The class of the same name in diffusers, whose numbers it has.
    public static let className = "DDIMInverseScheduler"

    /// The settings that it was made of.
    public let config: SchedulerConfig
    /// The noise levels that the model was trained at.
    public let schedule: NoiseSchedule
    /// Training timesteps in ascending order; one evaluation a step.
    public var timesteps: [Double] { levels.map(Double.init) }

    private let levels: [Int]
    private let stride: Int

    /// Refuses settings that the sampler does not know how to follow.
    /// - Throws: `UserError` naming the setting.
    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(["thresholding", "trained_betas"], by: className)
        guard config.timestepSpacing != .linspace else {
            throw UserError("DDIM inversion has no linspace timesteps: choose leading or trailing")
        }
    }

    /// An inversion of so many steps.
    /// - Throws: `UserError` for settings that are not supported, or a number of steps that cannot be.
    public init(_ config: SchedulerConfig, steps: Int) throws {
        try Self.check(config)
        self.config = config
        schedule = NoiseSchedule(config)
        levels = try (config.timestepSpacing ?? .leading).timesteps(config, steps: steps)
        stride = config.trainTimesteps / steps
    }

    /// Goes from an earlier level to `timesteps[index]`, towards noise; draws none.
    public func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep {
        let alphas = schedule.alphasCumprod
        let current = levels[index] - stride
        let alpha = current >= 0 ? alphas[current] : config.setAlphaToOne ?? true ? 1 : alphas[0]
        let alphaNext = alphas[levels[index]]

        let split = schedule.split(modelOutput, sample: sample, alpha: alpha)
        let original = config.clipped(split.original, unlessSet: true)
        let result =
            original * Double(alphaNext.squareRoot()) + split.noise * Double((1 - alphaNext).squareRoot())
        return SchedulerStep(sample: result, predictedOriginal: original)
    }
}
