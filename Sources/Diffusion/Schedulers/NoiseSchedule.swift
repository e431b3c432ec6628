import Foundation
import Torch

/// How much of a sample is left, and how much is noise, at each training timestep:
/// x_t = √ᾱ_t x₀ + √(1−ᾱ_t) ε (Ho et al. 2020).
///
/// The numbers are computed in single precision in the order in which diffusers does, so that they are the same.
public struct NoiseSchedule: Equatable, Sendable {
    /// ᾱ for every training timestep, falling from nearly 1 to nearly 0.
    public let alphasCumprod: [Float]
    /// What the model predicts.
    public let predictionType: PredictionType

    /// The levels that settings describe, which a sampler has checked.
    public init(_ config: SchedulerConfig) {
        let count = config.trainTimesteps
        let isLCM = config.className == LCMScheduler.className
        let (start, end) = (config.betaStart ?? (isLCM ? 0.00085 : 0.0001), config.betaEnd ?? (isLCM ? 0.012 : 0.02))
        var betas: [Float]
        switch config.betaSchedule ?? (isLCM ? .scaledLinear : .linear) {
        case .linear: betas = Self.linspace(start, end, count)
        case .scaledLinear:
            betas = Self.linspace(start.squareRoot(), end.squareRoot(), count).map { $0 * $0 }
        case .squaredCosine:
            func remaining(_ time: Double) -> Double {
                let cosine = cos((time + 0.008) / 1.008 * .pi / 2)
                return cosine * cosine
            }
            betas = (0..<count).map { step in
                let (now, next) = (Double(step) / Double(count), Double(step + 1) / Double(count))
                return Float(min(1 - remaining(next) / remaining(now), 0.999))
            }
        }
        if config.rescaleBetasZeroSNR { betas = Self.rescaledToZeroSNR(betas) }
        alphasCumprod = Self.cumulativeProduct(betas.map { 1 - $0 })
        predictionType = config.predictionType
    }

    /// Number of training timesteps.
    public var count: Int { alphasCumprod.count }

    /// Mixes samples with noise: x_t for each sample's own timestep.
    ///
    /// - Parameters:
    ///   - original: clean samples [N, …].
    ///   - noise: standard normal noise of the same shape.
    ///   - timesteps: one in 0 ..< ``count`` for each sample, or a single one for all.
    public func addNoise(to original: Tensor, noise: Tensor, timesteps: [Int]) -> Tensor {
        let (signal, sigma) = scales(timesteps, like: original)
        return signal * original + sigma * noise
    }

    /// The velocity √ᾱ ε − √(1−ᾱ) x₀ for each sample's own timestep; parameters as of ``addNoise(to:noise:timesteps:)``.
    public func velocity(of original: Tensor, noise: Tensor, timesteps: [Int]) -> Tensor {
        let (signal, sigma) = scales(timesteps, like: original)
        return signal * noise - sigma * original
    }

    /// What a model of this ``predictionType`` should predict; parameters as of ``addNoise(to:noise:timesteps:)``.
    public func target(original: Tensor, noise: Tensor, timesteps: [Int]) -> Tensor {
        switch predictionType {
        case .epsilon: noise
        case .sample: original
        case .velocity: velocity(of: original, noise: noise, timesteps: timesteps)
        }
    }

    /// The clean sample and the noise that a model's output implies for a sample whose noise level is `alpha` (ᾱ).
    func split(_ output: Tensor, sample: Tensor, alpha: Float) -> (original: Tensor, noise: Tensor) {
        let signal = Double(alpha.squareRoot())
        let sigma = Double((1 - alpha).squareRoot())
        switch predictionType {
        case .epsilon: return ((sample - output * sigma) / signal, output)
        case .sample: return (output, (sample - output * signal) / sigma)
        case .velocity: return (sample * signal - output * sigma, output * signal + sample * sigma)
        }
    }

    /// √ᾱ and √(1−ᾱ) per sample, shaped to multiply `sample`.
    private func scales(_ timesteps: [Int], like sample: Tensor) -> (signal: Tensor, sigma: Tensor) {
        precondition(
            timesteps.count == 1 || timesteps.count == sample.shape.first,
            "\(timesteps.count) timesteps for samples of shape \(sample.shape)")
        let alphas = timesteps.map { alphasCumprod[$0] }
        let shape = [timesteps.count] + Array(repeating: 1, count: sample.rank - 1)
        func tensor(_ values: [Float]) -> Tensor {
            Tensor(values, shape: shape).to(device: sample.device, dtype: sample.dtype)
        }
        return (tensor(alphas.map { $0.squareRoot() }), tensor(alphas.map { (1 - $0).squareRoot() }))
    }

    // MARK: As PyTorch computes

    private static func linspace(_ start: Double, _ end: Double, _ count: Int) -> [Float] {
        let (start, end) = (Float(start), Float(end))
        let step = (end - start) / Float(max(count - 1, 1))
        return (0..<count).map { index in
            index < count / 2 || count == 1 ? start + step * Float(index) : end - step * Float(count - index - 1)
        }
    }

    private static func cumulativeProduct(_ factors: [Float]) -> [Float] {
        var product = 1.0
        return factors.map { factor in
            product *= Double(factor)
            return Float(product)
        }
    }

    /// Algorithm 1 of Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed".
    private static func rescaledToZeroSNR(_ betas: [Float]) -> [Float] {
        var roots = cumulativeProduct(betas.map { 1 - $0 }).map { $0.squareRoot() }
        guard let first = roots.first, let last = roots.last, first > last else { return betas }
        let scale = first / (first - last)
        roots = roots.map { ($0 - last) * scale }
        let alphas = roots.map { $0 * $0 }
        return zip(alphas, [1] + alphas.dropLast()).map { 1 - $0 / $1 }
    }
}
