import Foundation
import Torch

/// What a diffusion model learns to predict from a noisy sample.
public enum PredictionType: String, Codable, Sendable {
    /// The noise ε in the sample, as Stable Diffusion 1.x predicts it.
    case epsilon
    /// The clean sample x₀ itself.
    case sample
    /// The velocity √ᾱ ε − √(1−ᾱ) x₀ (Salimans and Ho 2022).
    case velocity = "v_prediction"
}

/// How the noise variance β grows over the training timesteps.
public enum BetaSchedule: String, Codable, Sendable {
    /// Evenly from the first to the last timestep.
    case linear
    /// β grows linearly in its root, as in Stable Diffusion (`scaled_linear`).
    case scaledLinear = "scaled_linear"
    /// ᾱ falls as a squared cosine (Nichol & Dhariwal 2021; `squaredcos_cap_v2`).
    case squaredCosine = "squaredcos_cap_v2"
}

/// How a few inference timesteps are chosen from the training timesteps.
public enum TimestepSpacing: String, Codable, Sendable {
    /// Multiples of `trainTimesteps / steps` from 0 up, plus the offset.
    case leading
    /// From the last timestep down by `trainTimesteps / steps`.
    case trailing
    /// Evenly from 0 to the last timestep, both included.
    case linspace
}

/// The variance of the noise that DDPM adds in a step.
public enum VarianceType: String, Codable, Sendable {
    /// The posterior's variance for a data point.
    case fixedSmall = "fixed_small"
    /// β itself: the larger of the two variances of Ho et al. 2020.
    case fixedLarge = "fixed_large"
}

/// The noise level that the last step of a sampler over σ leads to.
public enum FinalSigma: String, Codable, Sendable {
    /// The last step leads to a noise-free sample.
    case zero
    /// The lowest level that the model was trained at.
    case lowest = "sigma_min"
}

/// The settings of a noise scheduler, as diffusers keeps them in `scheduler/scheduler_config.json`.
///
/// A setting that is nil has the default of the sampler that it is used with, as in diffusers (``DDIMScheduler`` spaces
/// its timesteps `leading`, ``EulerDiscreteScheduler`` by `linspace`). Those defaults are not Stable Diffusion's, see
/// ``stableDiffusion``.
public struct SchedulerConfig: Encodable, Equatable, Sendable {
    /// The sampler's class in diffusers (`DDIMScheduler`).
    public var className = "DDIMScheduler"
    /// Number of noise levels that the model was trained at.
    public var trainTimesteps = 1000
    /// β of the first training timestep; nil is 0.0001, for ``LCMScheduler`` 0.00085.
    public var betaStart: Double?
    /// β of the last training timestep; nil is 0.02, for ``LCMScheduler`` 0.012.
    public var betaEnd: Double?
    /// How β grows from first to last; nil is linear, for ``LCMScheduler`` `scaled_linear`.
    public var betaSchedule: BetaSchedule?
    /// What the model learned to predict.
    public var predictionType = PredictionType.epsilon
    /// How inference timesteps are chosen; nil for the sampler's own default.
    public var timestepSpacing: TimestepSpacing?
    /// Added to every timestep of `leading` spacing.
    public var stepsOffset = 0
    /// Whether the predicted x₀ is clamped to ±``clipSampleRange`` (for pixels, not for latents).
    public var clipSample: Bool?
    /// What a predicted x₀ is clamped to, if ``clipSample`` says so.
    public var clipSampleRange = 1.0
    /// Whether the last step goes to a noise-free sample, rather than to the level of timestep 0.
    public var setAlphaToOne: Bool?
    /// Whether the schedule is rescaled so that the last timestep is pure noise (Lin et al. 2023).
    public var rescaleBetasZeroSNR = false
    /// The variance of the noise that ``DDPMScheduler`` adds; other samplers do not look at it.
    public var varianceType: VarianceType?

    /// Whether ``PNDMScheduler`` begins without Runge-Kutta steps, as Stable Diffusion's files say.
    public var skipPRKSteps = false

    /// Whether the noise levels are spaced as Karras et al. 2022 do (ρ = 7), between ``sigmaMin`` and ``sigmaMax``.
    public var useKarrasSigmas = false
    /// The lowest noise level σ; that of timestep 0 by default.
    public var sigmaMin: Double?
    /// The highest noise level σ; that of the first timestep by default.
    public var sigmaMax: Double?
    /// The noise level that the last step over σ leads to.
    public var finalSigma = FinalSigma.zero

    /// Order of ``DPMSolverMultistepScheduler`` and ``UniPCMultistepScheduler``: 1 or 2.
    public var solverOrder = 2
    /// The variant of a solver: `midpoint` or `heun`, `bh1` or `bh2`; a name of the other solver means the default.
    public var solverType: String?
    /// The variant of ``DPMSolverMultistepScheduler``: `dpmsolver++`, or `sde-dpmsolver++`, which draws noise.
    public var algorithmType: String?
    /// Whether the last steps of a short walk are of order 1.
    public var lowerOrderFinal = true
    /// Whether the last step is of order 1 whatever the walk's length, of ``DPMSolverMultistepScheduler`` only.
    public var eulerAtFinal = false
    /// Steps after which ``UniPCMultistepScheduler`` does not correct.
    public var disableCorrector: [Int] = []

    /// Number of timesteps that a latent consistency model was distilled at (``LCMScheduler``).
    public var originalInferenceSteps = 50
    /// Factor of the timesteps in the boundary condition of ``LCMScheduler``.
    public var timestepScaling = 10.0

    /// Settings of the file with values that are not supported, by key: refused by the samplers that would use them.
    var unsupported: [String: String] = [:]

    /// diffusers' defaults for what a file leaves out.
    public init() {}

    /// The settings that Stable Diffusion 1.x and 2.x were trained with, for sampling by DDIM.
    public static var stableDiffusion: SchedulerConfig {
        var config = SchedulerConfig()
        config.betaStart = 0.00085
        config.betaEnd = 0.012
        config.betaSchedule = .scaledLinear
        config.stepsOffset = 1
        config.clipSample = false
        config.setAlphaToOne = false
        return config
    }

    enum CodingKeys: String, CodingKey {
        case className = "_class_name"
        case trainTimesteps = "num_train_timesteps"
        case betaStart = "beta_start"
        case betaEnd = "beta_end"
        case betaSchedule = "beta_schedule"
        case predictionType = "prediction_type"
        case timestepSpacing = "timestep_spacing"
        case stepsOffset = "steps_offset"
        case clipSample = "clip_sample"
        case clipSampleRange = "clip_sample_range"
        case setAlphaToOne = "set_alpha_to_one"
        case rescaleBetasZeroSNR = "rescale_betas_zero_snr"
        case varianceType = "variance_type"
        case skipPRKSteps = "skip_prk_steps"
        case useKarrasSigmas = "use_karras_sigmas"
        case sigmaMin = "sigma_min"
        case sigmaMax = "sigma_max"
        case finalSigma = "final_sigmas_type"
        case solverOrder = "solver_order"
        case solverType = "solver_type"
        case algorithmType = "algorithm_type"
        case lowerOrderFinal = "lower_order_final"
        case eulerAtFinal = "euler_at_final"
        case disableCorrector = "disable_corrector"
        case originalInferenceSteps = "original_inference_steps"
        case timestepScaling = "timestep_scaling"
    }
}

extension SchedulerConfig {
    /// The settings as diffusers' Stable Diffusion pipelines take them, whatever the file says: checkpoints of 2022 lack two
    /// of them or have them wrong. A predicted x₀ is never clamped, and `leading` timesteps begin at 1.
    var inStableDiffusion: SchedulerConfig {
        var config = self
        config.clipSample = false
        config.stepsOffset = 1
        return config
    }

    /// What ``inStableDiffusion`` changes that may change an image.
    var replacedInStableDiffusion: [String] {
        let isOffsetUsed = timestepSpacing ?? .leading == .leading
        return (clipSample == false ? [] : ["clip_sample"])
            + (stepsOffset == 1 || !isOffsetUsed ? [] : ["steps_offset"])
    }

    /// Clamps a predicted x₀ if the model's samples are bounded.
    /// - Parameter fallback: whether they are by default.
    func clipped(_ original: Tensor, unlessSet fallback: Bool) -> Tensor {
        clipSample ?? fallback ? original.clamp(min: -clipSampleRange, max: clipSampleRange) : original
    }
}
