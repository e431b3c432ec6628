import Foundations
import Torch

/// Sampling of latent consistency models (Luo et al. 2023): each step jumps to a finished sample, which is noised again.
public struct LCMScheduler: Scheduler {
    /// The class of the same name in diffusers, whose numbers it has.
    public static let className = "LCMScheduler"

    /// The settings that it was made of.
    public let config: SchedulerConfig
    /// The noise levels that the model was trained at.
    public let schedule: NoiseSchedule
    /// In descending order, some of those that the model was distilled at; one evaluation a step.
    public var timesteps: [Double] { levels.map(Double.init) }
    /// Whether noise is drawn: in every walk of more than one step.
    public var isStochastic: Bool { levels.count > 1 }

    /// Of the training, falling.
    private let levels: [Int]

    /// Refuses settings that the sampler does not know how to follow.
    /// - Throws: `UserError` naming the setting.
    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(["thresholding", "trained_betas"], by: className)
    }

    /// A walk of so many steps, from 1 on.
    /// - Throws: `UserError` for settings that are not supported, or more steps than the distillation had.
    public init(_ config: SchedulerConfig, steps: Int) throws { try self.init(config, steps: steps, strength: 1) }

    /// A walk of so many steps from a share of the noise.
    /// - Parameter strength: of the distillation's steps, the share of the lowest among which the walk's are, above 0 and up to 1.
    /// - Throws: `UserError` for settings that are not supported, or more steps than there are.
    public init(_ config: SchedulerConfig, steps: Int, strength: Double) throws {
        try Self.check(config)
        let all = config.originalInferenceSteps
        let distilled = Int(Double(all) * strength)
        guard distilled > 0, (1...distilled).contains(steps) else {
            throw UserError(
                "\(steps) sampling steps: \(Self.className) takes 1 to \(max(1, distilled)), those of the distillation"
                    + (strength < 1 ? " up to strength \(strength)" : ""))
        }
        self.config = config
        schedule = NoiseSchedule(config)
        let falling = (1...distilled).reversed().map { $0 * (config.trainTimesteps / all) - 1 }
        let distance = Double(distilled) / Double(steps)
        levels = (0..<steps).map { falling[Int((Double($0) * distance).rounded(.down))] }
    }

    /// Jumps from `timesteps[index]` to a finished sample and noises it to the next level.
    public func step(_ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor) -> SchedulerStep {
        let alphas = schedule.alphasCumprod
        let original = config.clipped(
            schedule.split(modelOutput, sample: sample, alpha: alphas[levels[index]]).original, unlessSet: false)
        // The boundary condition: at timestep 0 the sample itself.
        let time = Float(levels[index]) * Float(config.timestepScaling)
        let square = time * time + 0.25
        let denoised = original * Double(time / square.squareRoot()) + sample * Double(0.25 / square)
        guard index + 1 < levels.count else { return SchedulerStep(sample: denoised, predictedOriginal: denoised) }
        let next = alphas[levels[index + 1]]
        return SchedulerStep(
            sample: denoised * Double(next.squareRoot()) + noise() * Double((1 - next).squareRoot()),
            predictedOriginal: denoised)
    }
}
