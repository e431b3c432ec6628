import Backbones
import Torch

/// Correlation alignment (Sun and Saenko 2016): the distance of two domains' features is the mean squared difference of
/// their means plus that of their covariances. See ``FeatureMatchingSettings``.
public final class CORAL: Algorithm {
    public static let description = AlgorithmDescription(
        "CORAL", "Means and covariances of the source domains' features are matched (Sun and Saenko 2016).",
        FeatureMatchingSettings.self
    ) { try CORAL($0, context: $1) }

    public let classifier: Classifier
    public let training: TrainingStep
    private let matching: FeatureMatching

    public init(_ settings: FeatureMatchingSettings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        matching = FeatureMatching(
            classifier: classifier, training: training, gamma: settings.gamma, distance: Self.distance)
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        try matching.update(minibatches, step: step)
    }

    static func distance(_ x: Tensor, _ y: Tensor) -> Tensor {
        let (first, second) = (moments(x), moments(y))
        return (first.mean - second.mean).squared().mean() + (first.covariance - second.covariance).squared().mean()
    }

    /// Mean [1, F] and covariance [F, F] of features [N, F].
    private static func moments(_ features: Tensor) -> (mean: Tensor, covariance: Tensor) {
        let mean = features.mean([0], keepDimensions: true)
        let centred = features - mean
        return (mean, centred.transposed(0, 1).matmul(centred) / Double(features.size(0) - 1))
    }
}
