import Foundation
import Foundations
import Torch

/// DPM-Solver++ (Lu et al. 2022), multistep, of order 1 or 2 ("DPM++ 2M"), and its stochastic variant.
public struct DPMSolverMultistepScheduler: Scheduler {
    /// The class of the same name in diffusers, whose numbers it has.
    public static let className = "DPMSolverMultistepScheduler"

    /// The settings that it was made of.
    public let config: SchedulerConfig
    /// The noise levels that the model was trained at.
    public let schedule: NoiseSchedule
    /// In descending order; one evaluation a step.
    public var timesteps: [Double] { levels.timesteps }
    /// Whether noise is drawn: by the variant `sde-dpmsolver++`.
    public var isStochastic: Bool { config.algorithmType == Self.stochastic }

    private static let stochastic = "sde-dpmsolver++"
    private let levels: SolverSchedule
    /// x₀ as the model took it at the step before.
    private var earlier: Tensor?

    /// Refuses settings that the sampler does not know how to follow.
    /// - Throws: `UserError` naming the setting.
    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(
            [
                "lambda_min_clipped", "thresholding", "trained_betas", "use_beta_sigmas", "use_dynamic_shifting",
                "use_exponential_sigmas", "use_flow_sigmas", "use_lu_lambdas",
            ], by: className)
        try checkSolver(config, types: ["midpoint", "heun", "logrho", "bh1", "bh2"], by: className)
        let algorithm = config.algorithmType ?? "dpmsolver++"
        guard ["dpmsolver++", stochastic, "deis"].contains(algorithm) else {
            throw UserError(
                "algorithm_type is \(algorithm), which is not supported; \(className) takes dpmsolver++ and \(stochastic)"
            )
        }
    }

    /// A walk of so many steps.
    /// - Throws: `UserError` for settings that are not supported, or a number of steps that cannot be.
    public init(_ config: SchedulerConfig, steps: Int) throws {
        try Self.check(config)
        self.config = config
        schedule = NoiseSchedule(config)
        levels = try SolverSchedule(config, schedule: schedule, steps: steps, endsAtSigmaMin: false)
    }

    /// The x₀ of the step before, under `original`; nothing at the beginning.
    public var memory: [String: Tensor] {
        get { earlier.map { ["original": $0] } ?? [:] }
        set { earlier = newValue["original"] }
    }

    /// Goes from `timesteps[index]` to the next level by a step of order 1 or 2.
    public mutating func step(
        _ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor
    ) -> SchedulerStep {
        let original = NoiseLevel(levels.sigmas[index]).original(modelOutput, sample: sample, config.predictionType)
        let steps = timesteps.count
        let endsPlainly =
            index == steps - 1
            && (config.eulerAtFinal || (config.lowerOrderFinal && steps < 15) || config.finalSigma == .zero)
        let slope = endsPlainly || config.solverOrder == 1 ? nil : earlier.map { original - $0 }
        let drawn = isStochastic ? noise() : nil
        earlier = original
        return SchedulerStep(
            sample: next(original, slope: slope, at: index, sample: sample, noise: drawn), predictedOriginal: original)
    }

    /// - Parameter slope: by how much x₀ has changed since the step before; nil for a step of order 1.
    private func next(_ original: Tensor, slope: Tensor?, at index: Int, sample: Tensor, noise: Tensor?) -> Tensor {
        let (target, source) = (NoiseLevel(levels.sigmas[index + 1]), NoiseLevel(levels.sigmas[index]))
        let h = target.lambda - source.lambda
        // How much of the sample is left, and how much of x₀ comes in its place.
        let kept = target.sigma / source.sigma * (noise == nil ? 1 : exp(-h))
        let gone = noise == nil ? exp(-h) - 1 : exp(-2 * h) - 1
        var result = sample * Double(kept) - original * Double(target.alpha * gone)
        if let slope {
            let r = (source.lambda - NoiseLevel(levels.sigmas[index - 1]).lambda) / h
            let second =
                config.solverType == "heun"
                ? target.alpha * (gone / (noise == nil ? h : 2 * h) + 1) : -0.5 * target.alpha * gone
            result = result + slope * Double(second / r)
        }
        if let noise { result = result + noise * Double(target.sigma * (1 - exp(-2 * h)).squareRoot()) }
        return result
    }

    /// Clean samples [N, …] brought to the level of `timesteps[index]` with noise of the same shape.
    public func addNoise(to original: Tensor, noise: Tensor, at index: Int) -> Tensor {
        levels.addNoise(to: original, noise: noise, at: index)
    }
}

/// What both solvers ask of their settings.
/// - Parameter types: the solver's variants and, since a model may be sampled with either, the other solver's.
/// - Throws: `UserError` naming the setting that is not supported.
func checkSolver(_ config: SchedulerConfig, types: [String], by name: String) throws {
    guard (1...2).contains(config.solverOrder) else {
        throw UserError("solver_order is \(config.solverOrder), which is not supported; \(name) takes 1 and 2")
    }
    if let type = config.solverType, !types.contains(type) {
        throw UserError("solver_type is \(type), which is not supported for \(name)")
    }
}
