import Foundation
import Foundations
import Torch

/// UniPC (Zhao et al. 2023): a predictor and a corrector of order 1 or 2; the corrector uses the model's output that the
/// next step needs anyway.
public struct UniPCMultistepScheduler: Scheduler {
    /// The class of the same name in diffusers, whose numbers it has.
    public static let className = "UniPCMultistepScheduler"

    /// The settings that it was made of.
    public let config: SchedulerConfig
    /// The noise levels that the model was trained at.
    public let schedule: NoiseSchedule
    /// In descending order; one evaluation a step.
    public var timesteps: [Double] { levels.timesteps }

    private let levels: SolverSchedule
    /// x₀ as the model took it at the last steps, the latest last.
    private var originals: [Tensor] = []
    /// The sample that the last step began with, corrected, and the step's order.
    private var last: (sample: Tensor, order: Int)?

    /// Refuses settings that the sampler does not know how to follow.
    /// - Throws: `UserError` naming the setting.
    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(
            [
                "predict_x0", "shift_terminal", "solver_p", "thresholding", "trained_betas", "use_beta_sigmas",
                "use_dynamic_shifting", "use_exponential_sigmas", "use_flow_sigmas",
            ], by: className)
        try checkSolver(config, types: ["bh1", "bh2", "midpoint", "heun", "logrho"], by: className)
        guard config.lowerOrderFinal || config.finalSigma == .lowest || config.solverOrder == 1 else {
            throw UserError(
                "lower_order_final is false, but \(className) of order 2 cannot end without noise (final_sigmas_type zero)"
            )
        }
    }

    /// A walk of so many steps.
    /// - Throws: `UserError` for settings that are not supported, or a number of steps that cannot be.
    public init(_ config: SchedulerConfig, steps: Int) throws {
        try Self.check(config)
        self.config = config
        schedule = NoiseSchedule(config)
        levels = try SolverSchedule(config, schedule: schedule, steps: steps, endsAtSigmaMin: true)
    }

    /// The x₀ of the last steps, and the sample and order that the last step began with.
    public var memory: [String: Tensor] {
        get {
            var memory: [String: Tensor] = [:]
            for (index, original) in originals.enumerated() { memory["original.\(index)"] = original }
            memory["begin"] = last?.sample
            memory["order"] = last.map { Tensor([Int64($0.order)]) }
            return memory
        }
        set {
            originals = (0..<2).compactMap { newValue["original.\($0)"] }
            last = nil
            if let sample = newValue["begin"], let order = newValue["order"] { last = (sample, Int(order.item())) }
        }
    }

    /// Corrects the last step by the model's new output, then predicts the next.
    public mutating func step(
        _ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor
    ) -> SchedulerStep {
        let original = NoiseLevel(levels.sigmas[index]).original(modelOutput, sample: sample, config.predictionType)
        var begin = sample
        if let last, index > 0, !config.disableCorrector.contains(index - 1) {
            begin = corrected(original, from: last.sample, order: last.order, at: index)
        }
        originals = originals.suffix(1) + [original]
        let highest = config.lowerOrderFinal ? min(config.solverOrder, timesteps.count - index) : config.solverOrder
        let order = min(highest, originals.count)
        last = (begin, order)
        return SchedulerStep(sample: predicted(from: begin, order: order, at: index), predictedOriginal: original)
    }

    /// What predictor and corrector share: a step of order 1 from one of the levels to the next.
    private struct Advance {
        let h: Float
        let source, target: NoiseLevel
        /// B(h) of the paper.
        let b: Float

        init(_ levels: SolverSchedule, from index: Int, solver: String?) {
            source = NoiseLevel(levels.sigmas[index])
            target = NoiseLevel(levels.sigmas[index + 1])
            h = target.lambda - source.lambda
            b = solver == "bh1" ? -h : expm1(-h)
        }

        func plain(_ sample: Tensor, _ original: Tensor) -> Tensor {
            sample * Double(target.sigma / source.sigma) - original * Double(target.alpha * expm1(-h))
        }

        /// How far the level before the source lies back, in steps of h: negative.
        func ratio(_ levels: SolverSchedule, at index: Int) -> Float {
            (NoiseLevel(levels.sigmas[index]).lambda - source.lambda) / h
        }
    }

    private func predicted(from sample: Tensor, order: Int, at index: Int) -> Tensor {
        let advance = Advance(levels, from: index, solver: config.solverType)
        let newest = originals[originals.count - 1]
        let result = advance.plain(sample, newest)
        guard order == 2 else { return result }
        let slope = (originals[0] - newest) / Double(advance.ratio(levels, at: index - 1))
        return result - slope * Double(0.5 * advance.target.alpha * advance.b)
    }

    /// The sample that the step before should have led to, given the model's output there.
    private func corrected(_ original: Tensor, from sample: Tensor, order: Int, at index: Int) -> Tensor {
        let advance = Advance(levels, from: index - 1, solver: config.solverType)
        let newest = originals[originals.count - 1]
        let change = original - newest
        let scale = advance.target.alpha * advance.b
        let result = advance.plain(sample, newest)
        guard order == 2 else { return result - change * Double(0.5 * scale) }
        let hh = -advance.h
        let first = expm1(hh) / hh - 1
        let (b1, b2) = (first / advance.b, 2 * (first / hh - 0.5) / advance.b)
        let ratio = advance.ratio(levels, at: index - 2)
        // ρ₁ + ρ₂ = b₁ and r ρ₁ + ρ₂ = b₂
        let rho = (b1 - b2) / (1 - ratio)
        let slope = (originals[0] - newest) / Double(ratio)
        return result - (slope * Double(rho) + change * Double(b1 - rho)) * Double(scale)
    }

    /// Clean samples [N, …] brought to the level of `timesteps[index]` with noise of the same shape.
    public func addNoise(to original: Tensor, noise: Tensor, at index: Int) -> Tensor {
        levels.addNoise(to: original, noise: noise, at: index)
    }
}
