import Torch

/// MixStyle (Zhou and others, ICLR 2021): ``FeatureMixing`` of the channel means and deviations of two images,
/// `x' = σ_mix·(x − μ)/σ + μ_mix` with `μ_mix = λ·μ + (1 − λ)·μ_other`, σ likewise; no gradient goes through μ and σ.
public enum MixStyle {
    /// How ``MixStyle`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "MixStyle", "Channel statistics of two images' features are mixed (Zhou and others 2021).",
        paper: "https://arxiv.org/abs/2104.02008", FeatureMixingSettings.self
    ) { try FeatureMixing($0, context: $1, name: "MixStyle", mix: mix) }

    private static func mix(_ maps: Tensor, _ partners: Tensor, _ weights: Tensor) -> Tensor {
        let (mean, deviation) = noGrad {
            let variance = maps.variance([2, 3], keepDimensions: true)
            return (maps.mean([2, 3], keepDimensions: true), (variance + 1e-6).sqrt())
        }
        func mixed(_ statistic: Tensor) -> Tensor {
            statistic.indexSelect(0, partners).lerp(to: statistic, weight: weights)
        }
        return (maps - mean) / deviation * mixed(deviation) + mixed(mean)
    }
}
