import Backbones
import Torch

/// Exact feature distribution mixing (Zhang and others, CVPR 2022): as ``MixStyle``, with whole distributions in the place of
/// two moments. In each channel the k-th smallest value moves towards the other image's k-th smallest one:
/// `x' = x + (1 − λ)·(x_other by rank − x)`; no gradient goes through the x that is taken away.
/// See ``FeatureMixingSettings``.
public final class EFDMix: Algorithm {
    public static let description = AlgorithmDescription(
        "EFDMix", "Channel distributions of two images' features are mixed, value by value (Zhang and others 2022).",
        FeatureMixingSettings.self
    ) { try EFDMix($0, context: $1) }

    public let classifier: Classifier
    public let training: TrainingStep
    let mixing: FeatureMixing

    public init(_ settings: FeatureMixingSettings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        mixing = try FeatureMixing(
            settings, classifier, training, context: context, draws: StepDraws(context, "EFDMix"), mix: Self.mix)
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        try mixing.update(minibatches, step: step)
    }

    private static func mix(_ maps: Tensor, _ partners: Tensor, _ weights: Tensor) -> Tensor {
        let rows = maps.contiguous().flattened(from: 2)
        let (values, order) = rows.sorted(2)
        let others = values.indexSelect(0, partners).gathered(2, order.sorted(2).indices).reshaped(maps.shape)
        let change = (others - maps.detached()) * (1 - weights)
        return maps + change
    }
}
