import Backbones
import Torch

/// MixStyle (Zhou and others, ICLR 2021): after some stages of the network, channel means and deviations of two images are
/// mixed, `x' = σ_mix·(x − μ)/σ + μ_mix` with `μ_mix = λ·μ + (1 − λ)·μ_other`, σ likewise; no gradient goes through μ and σ.
/// See ``FeatureMixingSettings``.
public final class MixStyle: Algorithm {
    public static let description = AlgorithmDescription(
        "MixStyle", "Channel statistics of two images' features are mixed (Zhou and others 2021).",
        FeatureMixingSettings.self
    ) { try MixStyle($0, context: $1) }

    public let classifier: Classifier
    public let training: TrainingStep
    let mixing: FeatureMixing

    public init(_ settings: FeatureMixingSettings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        mixing = try FeatureMixing(
            settings, classifier, training, context: context, draws: StepDraws(context, "MixStyle"), mix: Self.mix)
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        try mixing.update(minibatches, step: step)
    }

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
