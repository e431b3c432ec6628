import Foundation
import Torch

/// The noise levels of the samplers that count noise by its ratio to the signal, σ = √((1−ᾱ) / ᾱ).
///
/// Single and double precision are used where diffusers (NumPy) uses them, so that the numbers are the same.
struct SigmaSchedule {
    /// σ of every training timestep, rising.
    let training: [Float]
    private let logarithms: [Float]

    init(_ schedule: NoiseSchedule) {
        var alphas = schedule.alphasCumprod
        // No σ belongs to pure noise: the least that half precision resolves is taken for ᾱ instead.
        if alphas.last == 0 { alphas[alphas.count - 1] = 0x1p-24 }
        // PyTorch's power is no correctly rounded root, and where σ is in the thousands its last bit is seen.
        let alpha = Tensor(alphas)
        training = ((1 - alpha) / alpha).pow(0.5).scalars(Float.self)
        logarithms = training.map { log($0) }
    }

    /// σ at a timestep, between the training's too.
    func sigma(at timestep: Double) -> Double {
        let last = training.count - 1
        let low = min(max(Int(timestep.rounded(.down)), 0), last)
        guard low < last, timestep > Double(low) else { return Double(training[low]) }
        let (a, b) = (Double(training[low]), Double(training[low + 1]))
        return (b - a) * (timestep - Double(low)) + a
    }

    /// The timestep of a noise level: linear in log σ between the training's.
    func timestep(of sigma: Double) -> Double {
        let logarithm = log(max(sigma, 1e-10))
        let above = logarithms.firstIndex { Double($0) > logarithm } ?? logarithms.count
        let low = min(max(above - 1, 0), logarithms.count - 2)
        let (a, b) = (logarithms[low], logarithms[low + 1])
        let weight = min(max((Double(a) - logarithm) / Double(a - b), 0), 1)
        return (1 - weight) * Double(low) + weight * Double(low + 1)
    }

    /// `count` falling noise levels, evenly spaced in the seventh root (Karras et al. 2022).
    static func karras(from highest: Double, to lowest: Double, count: Int) -> [Double] {
        let (high, low) = (pow(highest, 1 / 7.0), pow(lowest, 1 / 7.0))
        return (0..<count).map { index in
            let ramp = count == 1 ? 0 : Double(index) / Double(count - 1)
            return pow(high + ramp * (low - high), 7)
        }
    }

    /// The level that a walk ends at.
    func last(_ kind: FinalSigma) -> Float {
        switch kind {
        case .zero: 0
        case .lowest: training[0]
        }
    }
}

/// A noise level σ as the signal's and the noise's share of a sample of unit variance.
struct NoiseLevel {
    /// √ᾱ
    let alpha: Float
    /// √(1−ᾱ)
    let sigma: Float
    /// log α − log σ; infinite without noise.
    let lambda: Float

    /// - Parameter ratio: σ / α.
    init(_ ratio: Float) {
        alpha = 1 / (ratio * ratio + 1).squareRoot()
        sigma = ratio * alpha
        lambda = log(alpha) - log(sigma)
    }

    /// What the model takes the finished sample to be.
    func original(_ output: Tensor, sample: Tensor, _ prediction: PredictionType) -> Tensor {
        switch prediction {
        case .epsilon: (sample - output * Double(sigma)) / Double(alpha)
        case .sample: output
        case .velocity: sample * Double(alpha) - output * Double(sigma)
        }
    }
}

/// Timesteps and noise levels of the solvers of higher order (DPM-Solver, UniPC).
struct SolverSchedule {
    let timesteps: [Double]
    /// σ at each timestep, then the last one.
    let sigmas: [Float]

    /// - Parameter endsAtSigmaMin: whether a walk by Karras' levels that ends at the lowest ends at
    ///   ``SchedulerConfig/sigmaMin`` (UniPC) rather than at the training's lowest (DPM-Solver).
    init(_ config: SchedulerConfig, schedule: NoiseSchedule, steps: Int, endsAtSigmaMin: Bool) throws {
        let levels = SigmaSchedule(schedule)
        let spaced = try (config.timestepSpacing ?? .linspace).solverTimesteps(config, steps: steps).reversed()
        if config.useKarrasSigmas {
            let sigmas = SigmaSchedule.karras(
                from: config.sigmaMax ?? Double(levels.training[levels.training.count - 1]),
                to: config.sigmaMin ?? Double(levels.training[0]), count: steps)
            // diffusers' DPM-Solver rounds, but for a cosine schedule, where it cuts off; its UniPC rounds.
            let isCut = !endsAtSigmaMin && config.betaSchedule == .squaredCosine
            timesteps = sigmas.map { levels.timestep(of: $0).rounded(isCut ? .down : .toNearestOrEven) }
            let lowest = endsAtSigmaMin ? Float(sigmas[steps - 1]) : levels.training[0]
            self.sigmas = sigmas.map { Float($0) } + [config.finalSigma == .zero ? 0 : lowest]
        } else {
            timesteps = spaced.map(Double.init)
            sigmas = spaced.map { Float(levels.sigma(at: Double($0))) } + [levels.last(config.finalSigma)]
        }
    }

    /// Clean samples brought to the level of a step.
    func addNoise(to original: Tensor, noise: Tensor, at index: Int) -> Tensor {
        let level = NoiseLevel(sigmas[index])
        return original * Double(level.alpha) + noise * Double(level.sigma)
    }
}
