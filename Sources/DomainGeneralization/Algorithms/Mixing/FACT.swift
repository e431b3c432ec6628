import Backbones
import Foundation
import Foundations
import Pixels
import Torch

/// A Fourier-based framework (FACT; Xu and others, CVPR 2021): amplitude mixing with a teacher. Each image x gets a partner
/// and x' with part of its amplitude (λ ~ U(0, α)) and the own phase. A teacher, the moving average of the classifier's
/// parameters, sees both. `L = ½·CE(x) + ½·CE(x') + w·(KL(t(x) ‖ f(x')) + KL(t(x') ‖ f(x)))`, with probabilities at
/// temperature T; w rises in the first epochs.
public final class FACT: RandomizedAlgorithm {
    /// The settings of ``FACT``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// The share of the partner's amplitude is drawn from U(0, α).
        public var alpha = 1.0
        /// w: weight of the agreement with the teacher after the first epochs.
        public var consistencyWeight = 2.0
        /// T: temperature of the compared probabilities; above 1 they are flatter.
        public var temperature = 10.0
        /// Share of the teacher's parameters that stays in a step, 0…1.
        public var momentum = 0.9995
        /// Epochs in which w rises as exp(−5·(1 − e/E)²).
        public var warmupEpochs = 5

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "alpha", \.alpha, "an image takes over a share U(0, alpha) of its partner's amplitude", .within(0...1)),
            Setting(
                "consistencyWeight", \.consistencyWeight,
                "weight of the agreement with the teacher (published: 2, OfficeHome 200)", .atLeast(0)),
            Setting("temperature", \.temperature, "of the probabilities that are compared", .above(0)),
            Setting("momentum", \.momentum, "weight of the teacher's old parameters", .within(0...1)),
            Setting(
                "warmupEpochs", \.warmupEpochs, "epochs in which the agreement's weight rises", .atLeast(0)),
        ]
    }

    /// How ``FACT`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "FACT", "Amplitude mixing, and agreement with a teacher across it (Xu and others 2021).",
        paper: "https://arxiv.org/abs/2105.11120", Settings.self
    ) { try FACT($0, context: $1) }

    /// What is random in a step.
    public struct Draw: Codable, Sendable {
        /// For each image the one whose amplitude is mixed in.
        let partners: [Int]
        /// For each image the partner's share.
        let weights: [Double]
    }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let teacher: Classifier
    private let settings: Settings
    private let draws: StepDraws
    private let stepsPerEpoch: Double
    private let mean, deviation: Tensor

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        teacher = try context.makeClassifier()
        teacher.store.setRequiresGrad(false)
        self.settings = settings
        draws = StepDraws(context, "FACT")
        stepsPerEpoch = context.stepsPerEpoch
        mean = Tensor(context.normalization.mean, shape: [1, 3, 1, 1], device: context.device)
        deviation = Tensor(context.normalization.deviation, shape: [1, 3, 1, 1], device: context.device)
    }

    /// The step's partners and shares.
    public func draw(for minibatches: [Minibatch], step: Int) -> Draw {
        var generator = draws.generator(step: step)
        let count = minibatches.sizes.reduce(0, +)
        return Draw(
            partners: generator.permutation(count),
            weights: (0..<count).map { _ in generator.uniform(0, settings.alpha) })
    }

    /// One step along the cross-entropy of both sets of images and the agreement with the teacher; logs `loss`,
    /// `cls_loss` and `consistency`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ draw: Draw, step: Int) throws -> [Metric] {
        let inputs = minibatches.inputs
        let images = inputs.images
        let labels = minibatches.labels
        let both = noGrad {
            let pixels = images * deviation + mean
            let mixed = mixAmplitudes(
                pixels, with: pixels.indexSelect(0, Tensor(draw.partners, device: images.device)),
                weights: Tensor(
                    draw.weights.map(Float.init), shape: [draw.weights.count, 1, 1, 1], device: images.device))
            return ClassifierInput.concatenated([inputs, inputs.with(images: (mixed - mean) / deviation)])
        }
        let logits = classifier(both).chunked(2, dimension: 0)
        teacher.isTraining = true
        teacher.generator.state = classifier.generator.state
        let taught = noGrad { (teacher(both) / settings.temperature).softmax(1).chunked(2, dimension: 0) }
        let loss = 0.5 * crossEntropy(logits[0], labels) + 0.5 * crossEntropy(logits[1], labels)
        let agreement = divergence(taught[0], logits[1]) + divergence(taught[1], logits[0])
        let value = try training.minimise(loss + consistencyWeight(step) * agreement, step: step)
        moveTeacher(step)
        return [Metric("loss", value), Metric("cls_loss", loss.item()), Metric("consistency", agreement.item())]
    }

    /// KL(target ‖ softmax(logits / T)), the mean over the images.
    private func divergence(_ target: Tensor, _ logits: Tensor) -> Tensor {
        let logarithm = (logits / settings.temperature).logSoftmax(1)
        return (target * (target.log() - logarithm)).sum() / Double(target.size(0))
    }

    private func consistencyWeight(_ step: Int) -> Double {
        let warmup = Double(settings.warmupEpochs)
        let epoch = (Double(step) / stepsPerEpoch).rounded(.down)
        let missing = warmup > 0 ? 1 - min(epoch, warmup) / warmup : 0
        return settings.consistencyWeight * exp(-5 * missing * missing)
    }

    /// The teacher follows the parameters, at first closely; its batch-norm statistics are its own.
    private func moveTeacher(_ step: Int) {
        let momentum = min(1 - 1 / Double(step + 2), settings.momentum)
        noGrad {
            for (old, new) in zip(teacher.store.parameters, classifier.store.parameters) {
                old.lerp_(to: new.detached(), weight: 1 - momentum)
            }
        }
    }

    /// The optimiser's state and the teacher.
    public var state: AlgorithmState { training.state.adding("teacher", teacher.store.state) }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        try teacher.store.load(state.part("teacher"), name: name)
    }
}
