import Backbones
import Torch

/// Adaptive risk minimisation (ARM-CML; Zhang and others, NeurIPS 2021): a small network makes one map of each image; the mean
/// of the maps over the images of an environment is the context, which the classifier sees as a fourth channel.
/// `L = CE(f([x, c]), y)`. Images are taken in groups of the batch size where their number is a multiple of it, otherwise all
/// together; prediction likewise.
public final class ARM: Algorithm {
    /// The settings of ``ARM``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = []

        /// DomainBed searches the batch size of ARM in a range of its own.
        public static let runSearch = [
            SearchRange("batchSize", of: .run, as: "batch_size", default: .int(8), .constant(.int(8)))
                .on(.smallImages, default: .int(64), .wholePower(2, 3, 9))
        ]
    }

    /// How ``ARM`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "ARM", "The classifier sees a context made of all images of a domain (Zhang and others 2021).",
        paper: "https://arxiv.org/abs/2007.02931", Settings.self,
        predictor: { Network($1, batchSize: $2).callAsFunction }
    ) { try ARM(context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let network: Network

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        network = Network(classifier, batchSize: context.batchSize)
        training = TrainingStep(classifier, settings: context.optimizer)
    }

    /// One step along the cross-entropy with the context as a fourth channel; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = network(minibatches.inputs)
        let loss = crossEntropy(logits, minibatches.labels)
        return [Metric("loss", try training.minimise(loss, logits: logits, step: step))]
    }

    /// Logits [N, classes] of normalised images [N, 3, H, W], whose context is the mean over each group of them.
    public func predict(_ input: ClassifierInput) -> Tensor { network(input) }

    /// The classifier, whose first convolution takes four channels, and the network of the context.
    private struct Network {
        private let classifier: Classifier
        private let batchSize: Int
        private let convolutions: [Conv2d]
        private let norms: [BatchNorm2d]

        /// Changes the classifier: a fourth input channel, which begins with the first one's weights, and the context's
        /// network among its parameters.
        init(_ classifier: Classifier, batchSize: Int) {
            self.classifier = classifier
            self.batchSize = batchSize
            let store = classifier.store
            if let stem = store.entries.first(where: { $0.tensor.rank == 4 && $0.tensor.size(1) == 3 }) {
                let weight = stem.tensor.detached()
                store.replace(
                    stem.name, with: .concatenated([weight, weight.narrowed(1, start: 0, length: 1)], dimension: 1))
            }
            let root = store.root / "context"
            let channels = [3, 64, 64, 1]
            convolutions = (0..<3).map {
                Conv2d(root / "conv" / $0, in: channels[$0], out: channels[$0 + 1], kernel: 5, padding: 2)
            }
            norms = (0..<2).map {
                BatchNorm2d(root / "bn" / $0, channels: 64, momentum: classifier.options.backbone.batchNormMomentum)
            }
        }

        func callAsFunction(_ input: ClassifierInput) -> Tensor {
            let images = input.images
            var maps = images
            for (index, convolution) in convolutions.enumerated() {
                maps = convolution(maps)
                if index < norms.count { maps = norms[index](maps, .relu) }
            }
            let count = images.size(0)
            let size = count % batchSize == 0 ? batchSize : count
            let groups = maps.contiguous().reshaped(count / size, size, 1, images.size(2), images.size(3))
            let context = groups.mean([1]).repeatInterleaved(size)
            return classifier(input.with(images: .concatenated([images, context], dimension: 1)))
        }
    }
}
