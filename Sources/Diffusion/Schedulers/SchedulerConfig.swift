import Foundation
import Torch

/// What a diffusion model learns to predict from a noisy sample.
public enum PredictionType: String, Codable, Sendable {
    /// The noise ε.
    case epsilon
    /// The clean sample x₀.
    case sample
    /// The velocity √ᾱ ε − √(1−ᾱ) x₀ (Salimans and Ho 2022).
    case velocity = "v_prediction"
}

/// How the noise variance β grows over the training timesteps.
public enum BetaSchedule: String, Codable, Sendable {
    case linear
    /// Linear in √β: Stable Diffusion's.
    case scaledLinear = "scaled_linear"
    /// Nichol and Dhariwal's cosine schedule.
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
    /// β itself.
    case fixedLarge = "fixed_large"
}

/// The settings of a noise scheduler, as diffusers keeps them in `scheduler/scheduler_config.json`.
///
/// Defaults are diffusers' own; they are not Stable Diffusion's, see ``stableDiffusion``.
public struct SchedulerConfig: Encodable, Equatable, Sendable {
    /// The sampler's class in diffusers (`DDIMScheduler`).
    public var className = "DDIMScheduler"
    /// Number of noise levels that the model was trained at.
    public var trainTimesteps = 1000
    public var betaStart = 0.0001
    public var betaEnd = 0.02
    public var betaSchedule = BetaSchedule.linear
    public var predictionType = PredictionType.epsilon
    public var timestepSpacing = TimestepSpacing.leading
    /// Added to every timestep of `leading` spacing.
    public var stepsOffset = 0
    /// Whether the predicted x₀ is clamped to ±``clipSampleRange`` (for pixels, not for latents).
    public var clipSample = true
    public var clipSampleRange = 1.0
    /// Whether DDIM's last step goes to a noise-free sample, rather than to the level of timestep 0.
    public var setAlphaToOne = true
    /// Whether the schedule is rescaled so that the last timestep is pure noise (Lin et al. 2023).
    public var rescaleBetasZeroSNR = false
    /// Of DDPM only.
    public var varianceType = VarianceType.fixedSmall

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

    /// Reads a `scheduler_config.json`. Settings of other samplers are accepted, since a model may be sampled with any.
    ///
    /// - Throws: ``ModelError`` naming a setting that is unknown or has a value that is not supported.
    public init(path: String) throws {
        var reader = try ConfigReader(path: path)
        func choice<Value: RawRepresentable<String>>(_ key: CodingKeys, _ fallback: Value) throws -> Value {
            let name = try reader.string(key.rawValue, fallback.rawValue)
            guard let value = Value(rawValue: name) else {
                throw ModelError(path: path, "\(key.rawValue) is \"\(name)\", which is not supported")
            }
            return value
        }
        className = try reader.string(CodingKeys.className.rawValue, className)
        trainTimesteps = try reader.int(CodingKeys.trainTimesteps.rawValue, trainTimesteps)
        betaStart = try reader.double(CodingKeys.betaStart.rawValue, betaStart)
        betaEnd = try reader.double(CodingKeys.betaEnd.rawValue, betaEnd)
        betaSchedule = try choice(.betaSchedule, betaSchedule)
        predictionType = try choice(.predictionType, predictionType)
        timestepSpacing = try choice(.timestepSpacing, timestepSpacing)
        stepsOffset = try reader.int(CodingKeys.stepsOffset.rawValue, stepsOffset)
        clipSample = try reader.bool(CodingKeys.clipSample.rawValue, clipSample)
        clipSampleRange = try reader.double(CodingKeys.clipSampleRange.rawValue, clipSampleRange)
        setAlphaToOne = try reader.bool(CodingKeys.setAlphaToOne.rawValue, setAlphaToOne)
        rescaleBetasZeroSNR = try reader.bool(CodingKeys.rescaleBetasZeroSNR.rawValue, rescaleBetasZeroSNR)
        varianceType = try choice(.varianceType, varianceType)
        try reader.require(["trained_betas": nil, "thresholding": false])
        reader.ignore(Self.ofOtherSamplers)
        try reader.finish()
        guard (1...1_000_000).contains(trainTimesteps), betaStart > 0, betaEnd < 1, betaStart <= betaEnd,
            (0..<trainTimesteps).contains(stepsOffset), clipSampleRange > 0
        else {
            throw ModelError(path: path, "timesteps, betas, offset or clip range out of range; fetch the file again")
        }
    }

    /// Settings in diffusers' files that concern neither the noise schedule nor the samplers here.
    private static let ofOtherSamplers = [
        "algorithm_type", "dynamic_thresholding_ratio", "euler_at_final", "final_sigmas_type", "interpolation_type",
        "lambda_min_clipped", "lower_order_final", "sample_max_value", "set_alpha_to_zero", "sigma_max", "sigma_min",
        "skip_prk_steps", "solver_order", "solver_p", "solver_type", "timestep_type", "use_beta_sigmas",
        "use_exponential_sigmas", "use_flow_sigmas", "use_karras_sigmas", "use_lu_lambdas", "disable_corrector",
        "predict_x0", "flow_shift", "original_inference_steps", "timestep_scaling",
    ]

    /// Writes the settings as diffusers reads them.
    ///
    /// - Throws: `FileFormatError` if the file cannot be written.
    public func write(to path: String) throws {
        let json = JSONEncoder()
        json.outputFormatting = [.prettyPrinted, .sortedKeys]
        try AtomicFile.write(String(decoding: json.encode(self), as: UTF8.self) + "\n", to: path)
    }

    private enum CodingKeys: String, CodingKey {
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
    }
}
