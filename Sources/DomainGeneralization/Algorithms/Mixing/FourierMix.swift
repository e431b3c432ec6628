import Backbones
import Foundations
import Pixels
import Torch

/// Fourier amplitude mixing, the style half of MODE-F (Dai and others, ICML 2023) without its ascent: a share of each
/// step's images takes over part of the amplitude spectrum of an image of another source environment and keeps its own
/// phase and label.
public final class FourierMix: Algorithm {
    public struct Settings: Hyperparameters {
        /// The mixing weight is drawn from U(0, strength).
        public var strength = 1.0
        /// Share of the images that are mixed.
        public var share = 0.5

        public init() {}

        public static let help = [
            "strength": "an image takes over a share U(0, strength) of the other image's amplitude; 0…1",
            "share": "share of each step's images that are mixed; 0…1",
        ]

        public func validate() throws {
            for (name, value) in [("strength", strength), ("share", share)] where !(0...1).contains(value) {
                throw UserError("algorithm.hyperparameters.\(name): \(value) is not in 0…1")
            }
        }
    }

    public static let description = AlgorithmDescription(
        "FourierMix",
        "Half of the images take over part of the Fourier amplitude of another source domain's image (as MODE-F, "
            + "Dai and others 2023).",
        Settings.self
    ) { try FourierMix($0, context: $1) }

    public let classifier: Classifier
    public let training: TrainingStep
    private let settings: Settings
    private let seed: UInt64
    private let mean: Tensor
    private let deviation: Tensor

    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        seed = UInt64(bitPattern: Int64(seedHash(.int(context.seed), "FourierMix")))
        mean = Tensor(context.normalization.mean, shape: [1, 3, 1, 1], device: context.device)
        deviation = Tensor(context.normalization.deviation, shape: [1, 3, 1, 1], device: context.device)
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let images = noGrad { mixed(minibatches, step: step) }
        let loss = crossEntropy(classifier(images), minibatches.labels)
        return [Metric("loss", try training.minimise(loss, step: step))]
    }

    /// The images of a step, normalised, a share of them mixed.
    private func mixed(_ minibatches: [Minibatch], step: Int) -> Tensor {
        var generator = SeededGenerator(seed: seed, domain: 0, step: step)
        let sizes = minibatches.map(\.count)
        let starts = sizes.indices.map { sizes[..<$0].reduce(0, +) }
        var partners: [Int] = []
        var weights: [Float] = []
        for (own, size) in sizes.enumerated() {
            for _ in 0..<size {
                let isMixed = generator.uniform() < settings.share && sizes.count > 1
                let weight = generator.uniform(0, settings.strength)
                let other = (own + 1 + generator.below(max(1, sizes.count - 1))) % sizes.count
                partners.append(starts[other] + generator.below(sizes[other]))
                weights.append(isMixed ? Float(weight) : 0)
            }
        }
        let images = minibatches.images
        let pixels = images * deviation + mean
        let result = mixAmplitudes(
            pixels, with: pixels.indexSelect(0, Tensor(partners, device: images.device)),
            weights: Tensor(weights, shape: [weights.count, 1, 1, 1], device: images.device))
        return (result - mean) / deviation
    }
}

/// Images with their own phase and, per channel, the amplitude `(1 − w)·own + w·other`, cut to 0…1.
/// - Parameters:
///   - images: [N, C, H, W] in 0…1; `others` likewise.
///   - weights: [N, 1, 1, 1] in 0…1.
func mixAmplitudes(_ images: Tensor, with others: Tensor, weights: Tensor) -> Tensor {
    let own = images.contiguous().rfft2()
    let amplitude = own.abs().lerp(to: others.contiguous().rfft2().abs(), weight: weights)
    return amplitude.polar(phase: own.angle()).irfft2(images.size(2), images.size(3)).clamp(min: 0, max: 1)
}
