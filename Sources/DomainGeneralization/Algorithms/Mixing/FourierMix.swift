import Backbones
import Foundations
import Pixels
import Torch

/// Fourier amplitude mixing, the style half of MODE-F (Dai and others, ICML 2023) without its ascent: a share of each
/// step's images takes over part of the amplitude spectrum of an image of another source environment and keeps its own
/// phase and label.
public final class FourierMix: RandomizedAlgorithm {
    /// The settings of ``FourierMix``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// The mixing weight is drawn from U(0, strength).
        public var strength = 1.0
        /// Share of the images that are mixed.
        public var share = 0.5

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "strength", \.strength, "an image takes over a share U(0, strength) of the other image's amplitude",
                .within(0...1)),
            Setting("share", \.share, "share of each step's images that are mixed", .within(0...1)),
        ]
    }

    /// How ``FourierMix`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "FourierMix",
        "Half of the images take over part of the Fourier amplitude of another source domain's image (as MODE-F, "
            + "Dai and others 2023).",
        paper: "https://arxiv.org/abs/2304.13976", Settings.self
    ) { try FourierMix($0, context: $1) }

    /// What is random in a step.
    public struct Draw: Codable, Sendable {
        /// For each image one of another environment.
        let partners: [Int]
        /// For each image the partner's share; 0 for those that are not mixed.
        let weights: [Double]
    }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    /// Several processes can train it together.
    public let whyOneProcess: String? = nil
    private let settings: Settings
    private let draws: StepDraws
    private let mean: Tensor
    private let deviation: Tensor

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        draws = StepDraws(context, "FourierMix")
        mean = Tensor(context.normalization.mean, shape: [1, 3, 1, 1], device: context.device)
        deviation = Tensor(context.normalization.deviation, shape: [1, 3, 1, 1], device: context.device)
    }

    /// The step's partners and shares.
    public func draw(for minibatches: [Minibatch], step: Int) -> Draw {
        var generator = draws.generator(step: step)
        let sizes = minibatches.sizes
        let starts = sizes.indices.map { sizes[..<$0].reduce(0, +) }
        var partners: [Int] = []
        var weights: [Double] = []
        for (own, size) in sizes.enumerated() {
            for _ in 0..<size {
                let isMixed = generator.uniform() < settings.share && sizes.count > 1
                let weight = generator.uniform(0, settings.strength)
                let other = (own + 1 + generator.below(max(1, sizes.count - 1))) % sizes.count
                partners.append(starts[other] + generator.below(sizes[other]))
                weights.append(isMixed ? weight : 0)
            }
        }
        return Draw(partners: partners, weights: weights)
    }

    /// One step along the cross-entropy of images of which some are mixed as drawn; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ draw: Draw, step: Int) throws -> [Metric] {
        let inputs = minibatches.inputs
        let images = noGrad { mixed(inputs.images, draw) }
        let loss = crossEntropy(classifier(inputs.with(images: images)), minibatches.labels)
        return [Metric("loss", try training.minimise(loss, step: step))]
    }

    /// Normalised images, of which some take over part of their partner's amplitude.
    private func mixed(_ images: Tensor, _ draw: Draw) -> Tensor {
        let pixels = images * deviation + mean
        let result = mixAmplitudes(
            pixels, with: pixels.indexSelect(0, Tensor(draw.partners, device: images.device)),
            weights: Tensor(
                draw.weights.map(Float.init), shape: [draw.weights.count, 1, 1, 1], device: images.device))
        return (result - mean) / deviation
    }
}
