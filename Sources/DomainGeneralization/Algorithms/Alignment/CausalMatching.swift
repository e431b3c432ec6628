import Backbones
import Pixels
import Torch

/// ``CausIRL_CORAL`` and ``CausIRL_MMD``: features are matched between two random halves of a step, by a distance d of two sets
/// of features. Each environment's images are cut at a random place; X are the features before the cuts of all environments, Y
/// those after, and `L = mean over e of CE_e + γ · d(X, Y)`. Where X or Y has fewer than two images, d is 0.
public final class CausalMatching: RandomizedAlgorithm {
    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: FeatureMatchingSettings
    private let distance: FeatureMatching.Distance
    private let draws: StepDraws

    /// Builds the classifier and its optimiser for a run, and matches features by a distance.
    /// - Parameter name: the algorithm's, for its random numbers.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(
        _ settings: FeatureMatchingSettings, context: AlgorithmContext, name: String,
        distance: @escaping FeatureMatching.Distance
    ) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        self.distance = distance
        draws = StepDraws(context, name)
    }

    /// Where each environment's images are cut: as many are before it, from none to all but one.
    public func draw(for minibatches: [Minibatch], step: Int) -> [Int] {
        var generator = draws.generator(step: step)
        return minibatches.map { generator.below($0.count) }
    }

    /// One step along the cross-entropy and the distance of the two parts; logs `loss`, without it, and `penalty`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ cuts: [Int], step: Int) throws -> [Metric] {
        let features = minibatches.map { classifier.features($0.inputs) }
        let logits = features.map(classifier.logits)
        let loss = zip(logits, minibatches).map { crossEntropy($0, $1.labels) }.mean
        let parts = zip(features, cuts).map { $0.split([$1, $0.size(0) - $1]) }
        let (first, second) = (Tensor.concatenated(parts.map { $0[0] }), Tensor.concatenated(parts.map { $0[1] }))
        let isMatched = min(first.size(0), second.size(0)) > 1
        let penalty = isMatched ? distance(first, second) : .zeros([], device: loss.device)
        try training.minimise(loss + settings.gamma * penalty, logits: .concatenated(logits), step: step)
        return [Metric("loss", loss.item()), Metric("penalty", penalty.item())]
    }
}
