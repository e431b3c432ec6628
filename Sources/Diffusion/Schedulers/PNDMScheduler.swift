import Foundations
import Torch

/// Pseudo numerical methods for diffusion models (Liu et al. 2022): linear multistep of order 4, begun by Runge-Kutta
/// steps or, with ``SchedulerConfig/skipPRKSteps``, by a step of order 2. Stable Diffusion 1.x ships with the latter.
///
/// The beginning evaluates the model several times a step: ``timesteps`` has one entry more than there are steps, nine
/// more with Runge-Kutta steps.
public struct PNDMScheduler: Scheduler {
    /// The class of the same name in diffusers, whose numbers it has.
    public static let className = "PNDMScheduler"

    /// The settings that it was made of.
    public let config: SchedulerConfig
    /// The noise levels that the model was trained at.
    public let schedule: NoiseSchedule
    /// In the order of evaluation; some levels are evaluated more than once.
    public var timesteps: [Double] { levels.map(Double.init) }

    /// Of the training, in the order of evaluation.
    private let levels: [Int]
    private let stride: Int
    /// How many of the evaluations belong to Runge-Kutta steps.
    private let rungeKutta: Int

    /// Evaluations so far.
    private var counter = 0
    /// The last outputs of the model, at most four, the latest last.
    private var outputs: [Tensor] = []
    /// The sample that the step in progress began with.
    private var begin: Tensor?
    /// The weighted outputs of the Runge-Kutta step in progress.
    private var sum: Tensor?

    /// Refuses settings that the sampler does not know how to follow.
    /// - Throws: `UserError` naming the setting.
    public static func check(_ config: SchedulerConfig) throws {
        try config.refuse(["trained_betas"], by: className)
        guard config.predictionType != .sample else {
            throw UserError("prediction_type is sample, which \(className) does not take; choose another scheduler")
        }
    }

    /// A walk of so many steps.
    /// - Throws: `UserError` for settings that are not supported, or a number of steps that cannot be.
    public init(_ config: SchedulerConfig, steps: Int) throws {
        try Self.check(config)
        guard config.skipPRKSteps || steps >= 4 else {
            throw UserError("\(steps) sampling steps: \(Self.className) with Runge-Kutta steps takes 4 or more")
        }
        self.config = config
        // diffusers' class does not know the setting: a step from pure noise, at ᾱ = 0, would divide by 0.
        var rescaled = config
        rescaled.rescaleBetasZeroSNR = false
        schedule = NoiseSchedule(rescaled)
        let spaced = try (config.timestepSpacing ?? .leading).timesteps(config, steps: steps)
        stride = config.trainTimesteps / steps
        if config.skipPRKSteps {
            rungeKutta = 0
            levels = (spaced.dropLast() + spaced.suffix(2).dropLast() + spaced.suffix(1)).reversed()
        } else {
            let half = stride / 2
            let last = [Int](spaced.suffix(4).reversed())
            // Each of the three steps evaluates at its beginning, twice in the middle, and at its end.
            var first: [Int] = []
            for (from, to) in zip(last, last.dropFirst()) { first += [from, to + half, to + half, to] }
            rungeKutta = first.count
            levels = first + [Int](spaced.dropLast(3).reversed())
        }
    }

    /// The number of evaluations, up to four outputs of the model, and the Runge-Kutta step in progress.
    public var memory: [String: Tensor] {
        get {
            var memory = ["counter": Tensor([Int64(counter)])]
            for (index, output) in outputs.enumerated() { memory["output.\(index)"] = output }
            memory["begin"] = begin
            memory["sum"] = sum
            return memory
        }
        set {
            counter = newValue["counter"].map { Int($0.item()) } ?? 0
            outputs = (0..<4).compactMap { newValue["output.\($0)"] }
            begin = newValue["begin"]
            sum = newValue["sum"]
        }
    }

    /// Uses the model's output for `timesteps[index]`; draws no noise.
    public mutating func step(
        _ modelOutput: Tensor, at index: Int, sample: Tensor, noise: () -> Tensor
    ) -> SchedulerStep {
        let original = schedule.split(modelOutput, sample: sample, alpha: schedule.alphasCumprod[levels[index]])
            .original
        defer { counter += 1 }
        let result =
            counter < rungeKutta
            ? rungeKuttaStep(modelOutput, level: levels[index], sample: sample)
            : multistep(modelOutput, level: levels[index], sample: sample)
        return SchedulerStep(sample: result, predictedOriginal: original)
    }

    private mutating func rungeKuttaStep(_ modelOutput: Tensor, level: Int, sample: Tensor) -> Tensor {
        let next = level - (counter % 2 == 1 ? 0 : stride / 2)
        var output = modelOutput
        switch counter % 4 {
        case 0:
            sum = modelOutput / 6
            outputs.append(modelOutput)
            begin = sample
        case 3:
            output = (sum ?? modelOutput.zerosLike()) + modelOutput / 6
            sum = nil
        default: sum = (sum ?? modelOutput.zerosLike()) + modelOutput / 3
        }
        return previous(begin ?? sample, from: levels[counter / 4 * 4], to: next, output)
    }

    private mutating func multistep(_ modelOutput: Tensor, level: Int, sample: Tensor) -> Tensor {
        var (from, to) = (level, level - stride)
        if counter == 1 {
            (from, to) = (level + stride, level)
        } else {
            outputs = outputs.suffix(3) + [modelOutput]
        }
        let e = [Tensor](outputs.reversed())
        var output = modelOutput
        var start = sample
        switch e.count {
        case 1 where counter == 0: begin = sample
        case 1:
            output = (modelOutput + e[0]) / 2
            start = begin ?? sample
            begin = nil
        case 2: output = (3 * e[0] - e[1]) / 2
        case 3: output = (23 * e[0] - 16 * e[1] + 5 * e[2]) / 12
        default: output = (55 * e[0] - 59 * e[1] + 37 * e[2] - 9 * e[3]) / 24
        }
        return previous(start, from: from, to: to, output)
    }

    /// Equation 9: the sample at another timestep, along a model's output.
    private func previous(_ sample: Tensor, from: Int, to: Int, _ modelOutput: Tensor) -> Tensor {
        let alphas = schedule.alphasCumprod
        let alpha = alphas[min(from, alphas.count - 1)]
        let next = to >= 0 ? alphas[to] : config.setAlphaToOne ?? false ? 1 : alphas[0]
        let noise =
            config.predictionType == .velocity
            ? modelOutput * Double(alpha.squareRoot()) + sample * Double((1 - alpha).squareRoot()) : modelOutput
        let scale = (next / alpha).squareRoot()
        let denominator = alpha * (1 - next).squareRoot() + (alpha * (1 - alpha) * next).squareRoot()
        return sample * Double(scale) - noise * Double(next - alpha) / Double(denominator)
    }
}
