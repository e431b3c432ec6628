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
        /// One of another domain.
        case otherDomain
    }

    /// Probability that a step mixes at a level.
    public var probability = 0.5
    /// The weight of the own style is drawn from Beta(α, α), for each image and level.
    public var alpha = 0.1
    /// Where features are mixed: levels of the backbone (0: stem; 1, 2, 3: after the first stages).
    public var levels = [1, 2, 3]
    public var partners = Partners.random

    public init() {}

    public static let search = [
        SearchRange("alpha", .choice([0.1, 0.2, 0.3]))
    ]

    public static let help = [
        "probability": "probability that a step mixes at a level; 0…1",
        "alpha": "the weight of the own style is drawn from Beta(alpha, alpha); above 0",
        "levels": "levels of the backbone after which features are mixed: 0 the stem, 1…4 the stages",
        "partners": "whose style is mixed in: random, any image of the step; otherDomain, one of another domain",
    ]

    public func validate() throws {
        try require("probability", probability, in: 0...1)
        try require("alpha", alpha, in: betaParameters)
        guard !levels.isEmpty else {
            throw UserError("algorithm.hyperparameters.levels: names no level; give [1, 2, 3]")
        }
        for level in levels { try require("levels", level, atLeast: 0) }
    }
}

/// What is random at one level in one step.
struct FeatureMixingDraw {
    /// For each image the one whose style is mixed in.
    let partners: [Int]
    /// For each image the weight of its own style.
    let weights: [Double]

    /// The draws of a step by level; a level that is left out does not mix.
    static func draw(
        _ settings: FeatureMixingSettings, sizes: [Int], draws: StepDraws, step: Int
    ) -> [Int: FeatureMixingDraw] {
        var result: [Int: FeatureMixingDraw] = [:]
        for level in settings.levels {
            var generator = draws.generator(step: step, stream: level)
            guard generator.uniform() < settings.probability else { continue }
            let weights = (0..<sizes.reduce(0, +)).map { _ in generator.beta(settings.alpha, settings.alpha) }
            result[level] = FeatureMixingDraw(
                partners: partners(settings.partners, sizes: sizes, using: &generator), weights: weights)
        }
        return result
    }

    private static func partners(
        _ kind: FeatureMixingSettings.Partners, sizes: [Int], using generator: inout some RandomNumberGenerator
    ) -> [Int] {
        let count = sizes.reduce(0, +)
        guard kind == .otherDomain, sizes.count > 1 else { return generator.permutation(count) }
        let starts = sizes.indices.map { sizes[..<$0].reduce(0, +) }
        return sizes.indices.flatMap { own in
            (0..<sizes[own]).map { _ in
                let other = (own + 1 + generator.below(sizes.count - 1)) % sizes.count
                return starts[other] + generator.below(sizes[other])
            }
        }
    }

    /// The partners as indices and the weights as [N, 1, 1, 1].
    func tensors(on device: Device) -> (partners: Tensor, weights: Tensor) {
        let weights = Tensor(weights.map(Float.init), shape: [weights.count, 1, 1, 1], device: device)
        return (Tensor(partners, device: device), weights)
    }
}

/// The update of ``MixStyle`` and ``EFDMix``: the cross-entropy of all images, whose maps are mixed within the network.
struct FeatureMixing {
    let classifier: Classifier
    let training: TrainingStep
    let settings: FeatureMixingSettings
    let draws: StepDraws
    /// Maps [N, C, h, w], the partners [N] and weights [N, 1, 1, 1] to mixed maps.
    let mix: (_ maps: Tensor, _ partners: Tensor, _ weights: Tensor) -> Tensor

    /// - Throws: ``UserError`` for a level that the backbone does not have, or a transformer.
    init(
        _ settings: FeatureMixingSettings, _ classifier: Classifier, _ training: TrainingStep,
        context: AlgorithmContext, draws: StepDraws,
        mix: @escaping (_ maps: Tensor, _ partners: Tensor, _ weights: Tensor) -> Tensor
    ) throws {
        let shapes = classifier.levelShapes(imageSize: context.imageSize)
        for level in settings.levels where !shapes.indices.contains(level) || shapes[level].count != 4 {
            throw UserError(
                "algorithm.hyperparameters.levels: \(classifier.description.name) has no maps at level \(level); give "
                    + "levels of 0…\(shapes.count - 1) and a convolutional backbone")
        }
        self.classifier = classifier
        self.training = training
        self.settings = settings
        self.draws = draws
        self.mix = mix
    }

    func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let draw = FeatureMixingDraw.draw(settings, sizes: minibatches.sizes, draws: draws, step: step)
        return try update(minibatches, draw, step: step)
    }

    func update(_ minibatches: [Minibatch], _ draw: [Int: FeatureMixingDraw], step: Int) throws -> [Metric] {
        let images = minibatches.images
        let features = classifier.features(images) { level, maps in
            guard let (partners, weights) = draw[level]?.tensors(on: images.device) else { return maps }
            return mix(maps, partners, weights)
        }
        let loss = crossEntropy(classifier.logits(features), minibatches.labels)
        return [Metric("loss", try training.minimise(loss, step: step))]
    }
}
