import Backbones
import Foundations
import Pixels
import Torch

/// The settings of ``MixStyle`` and ``EFDMix``.
public struct FeatureMixingSettings: Hyperparameters {
    /// Whose style an image takes over part of.
    public enum Partners: String, SettingChoice {
        /// Any image's of the step.
        case random
        /// An image of another domain in the step.
        case otherDomain
    }

    /// Probability that a step mixes at a level.
    public var probability = 0.5
    /// The weight of the own style is drawn from Beta(α, α), for each image and level.
    public var alpha = 0.1
    /// Where features are mixed: levels of the backbone (0: stem; 1, 2, 3: after the first stages).
    public var levels = [1, 2, 3]
    /// Whose style an image takes over part of.
    public var partners = Partners.random

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("probability", \.probability, "probability that a step mixes at a level", .within(0...1)),
        Setting(
            "alpha", \.alpha, "the weight of the own style is drawn from Beta(alpha, alpha)", .betaParameter,
            search: .choice([0.1, 0.2, 0.3])),
        Setting(
            "levels", \.levels,
            "levels of the backbone after which features are mixed: 0 the stem, 1…4 the stages",
            .each(.atLeast(0), example: "[1, 2, 3]")),
        Setting(
            "partners", \.partners,
            "whose style is mixed in, any image's of the step or one's of another domain"),
    ]
}

/// What is random at one level in one step.
public struct FeatureMixingDraw: Codable, Sendable {
    /// For each image the one whose style is mixed in.
    let partners: [Int]
    /// For each image the weight of its own style.
    let weights: [Double]

    /// The partners as indices and the weights as [N, 1, 1, 1].
    func tensors(on device: Device) -> (partners: Tensor, weights: Tensor) {
        let weights = Tensor(weights.map(Float.init), shape: [weights.count, 1, 1, 1], device: device)
        return (Tensor(partners, device: device), weights)
    }
}

/// Training on features that are mixed within the network: the cross-entropy of all images, whose maps are mixed with those
/// of others after some stages. With the mixture of ``MixStyle`` or ``EFDMix`` it is that algorithm.
public final class FeatureMixing: RandomizedAlgorithm {
    /// Maps [N, C, h, w], the partners [N] and weights [N, 1, 1, 1] to mixed maps.
    public typealias Mix = (_ maps: Tensor, _ partners: Tensor, _ weights: Tensor) -> Tensor

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    /// Several processes can train it together.
    public let whyOneProcess: String? = nil
    private let settings: FeatureMixingSettings
    private let draws: StepDraws
    private let mix: Mix

    /// Builds the classifier and its optimiser for a run, and mixes features by a function.
    /// - Parameter name: the algorithm's, for its random numbers.
    /// - Throws: `UserError` for a level that the backbone does not have, or a transformer.
    public init(
        _ settings: FeatureMixingSettings, context: AlgorithmContext, name: String, mix: @escaping Mix
    ) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        let shapes = classifier.levelShapes(imageSize: context.imageSize)
        for level in settings.levels where !shapes.indices.contains(level) || shapes[level].count != 4 {
            throw UserError(
                "algorithm.hyperparameters.levels: \(classifier.description.name) has no maps at level \(level); give "
                    + "levels of 0…\(shapes.count - 1) and a convolutional backbone")
        }
        self.settings = settings
        self.mix = mix
        draws = StepDraws(context, name)
    }

    /// The choices by level; a level that is left out does not mix.
    public func draw(for minibatches: [Minibatch], step: Int) -> [Int: FeatureMixingDraw] {
        let sizes = minibatches.sizes
        var result: [Int: FeatureMixingDraw] = [:]
        for level in settings.levels {
            var generator = draws.generator(step: step, stream: level)
            guard generator.uniform() < settings.probability else { continue }
            let weights = (0..<sizes.reduce(0, +)).map { _ in generator.beta(settings.alpha, settings.alpha) }
            result[level] = FeatureMixingDraw(partners: partners(sizes: sizes, using: &generator), weights: weights)
        }
        return result
    }

    private func partners(sizes: [Int], using generator: inout some RandomNumberGenerator) -> [Int] {
        let count = sizes.reduce(0, +)
        guard settings.partners == .otherDomain, sizes.count > 1 else { return generator.permutation(count) }
        let starts = sizes.indices.map { sizes[..<$0].reduce(0, +) }
        return sizes.indices.flatMap { own in
            (0..<sizes[own]).map { _ in
                let other = (own + 1 + generator.below(sizes.count - 1)) % sizes.count
                return starts[other] + generator.below(sizes[other])
            }
        }
    }

    /// One step along the cross-entropy of images whose features are mixed as drawn; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ draw: [Int: FeatureMixingDraw], step: Int) throws -> [Metric] {
        let inputs = minibatches.inputs
        let features = classifier.features(inputs) { level, maps in
            guard let (partners, weights) = draw[level]?.tensors(on: maps.device) else { return maps }
            return mix(maps, partners, weights)
        }
        let loss = crossEntropy(classifier.logits(features), minibatches.labels)
        return [Metric("loss", try training.minimise(loss, step: step))]
    }
}
