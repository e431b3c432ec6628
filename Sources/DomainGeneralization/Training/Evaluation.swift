import Backbones
import Foundations
import Pixels
import Torch

/// How a classifier did on some items.
public struct Score: Sendable, Equatable, Codable {
    /// Share of the items that are classified rightly; nil for no items.
    public let accuracy: Double?
    /// Mean over the classes that occur of the share classified rightly.
    public let meanClassAccuracy: Double?
    /// Cross-entropy of the item's label.
    public let loss: Double?
    /// Number of items.
    public let count: Int

    /// Sums predictions up; of none, everything but ``count`` is nil.
    public init(predictions: [Prediction]) {
        count = predictions.count
        guard count > 0 else {
            (accuracy, meanClassAccuracy, loss) = (nil, nil, nil)
            return
        }
        var right: [Int: (right: Int, all: Int)] = [:]
        for prediction in predictions {
            let old = right[prediction.label] ?? (0, 0)
            right[prediction.label] = (old.right + (prediction.isRight ? 1 : 0), old.all + 1)
        }
        accuracy = Double(right.values.reduce(0) { $0 + $1.right }) / Double(count)
        // In the classes' order: the order of a dictionary differs from process to process, and with it the last bit.
        let shares = right.sorted { $0.key < $1.key }.map { Double($0.value.right) / Double($0.value.all) }
        meanClassAccuracy = shares.reduce(0, +) / Double(right.count)
        loss = predictions.reduce(0) { $0 + $1.loss } / Double(count)
    }
}

/// What a classifier says of one item.
public struct Prediction: Sendable, Equatable, Codable {
    /// The image, an index into ``ImageFolder/items``.
    public let item: Int
    /// The item's class index.
    public let label: Int
    /// The class index of the largest logit.
    public let predicted: Int
    /// Cross-entropy of the label.
    public let loss: Double
    /// The probability of the predicted class, 0…1.
    public let confidence: Double

    /// A prediction of an item.
    public init(item: Int, label: Int, predicted: Int, loss: Double, confidence: Double) {
        (self.item, self.label, self.predicted) = (item, label, predicted)
        (self.loss, self.confidence) = (loss, confidence)
    }

    /// Whether the class was found.
    public var isRight: Bool { label == predicted }
}

/// Runs a classifier over the evaluation view of items.
public struct Evaluator {
    private let dataset: ImageFolder
    private let images: ImageCache
    private let pipeline: ImagePipeline
    private let imageSize: Int
    private let batchSize: Int
    private let device: Device
    private let frozenFeatures: FrozenFeatureTable?

    /// Evaluates with given data and transforms.
    /// - Parameters:
    ///   - batchSize: images in one pass.
    ///   - frozenFeatures: of the data set's items, where the classifier takes some.
    public init(
        dataset: ImageFolder, images: ImageCache, pipeline: ImagePipeline, imageSize: Int, device: Device,
        batchSize: Int = 64, frozenFeatures: FrozenFeatureTable? = nil
    ) {
        self.dataset = dataset
        self.images = images
        self.pipeline = pipeline
        self.imageSize = imageSize
        self.device = device
        self.frozenFeatures = frozenFeatures
        self.batchSize = batchSize
    }

    /// Evaluates with a run's data and transforms.
    public init(_ context: AlgorithmContext) {
        self.init(
            dataset: context.dataset, images: context.images, pipeline: context.evaluationPipeline,
            imageSize: context.imageSize, device: context.device, frozenFeatures: context.frozenFeatures)
    }

    /// Predictions for items, in order.
    /// - Parameters:
    ///   - predict: logits for normalised images, as in evaluation.
    ///   - threads: threads that prepare images while the classifier works.
    ///   - poll: called before each batch; what it throws ends the evaluation.
    public func predictions(
        _ items: [Int], threads: Int, predict: (ClassifierInput) -> Tensor, poll: () throws -> Void = {}
    ) throws -> [Prediction] {
        guard !items.isEmpty else { return [] }
        let batches = stride(from: 0, to: items.count, by: batchSize).map {
            Array(items[$0..<min($0 + batchSize, items.count)])
        }
        let (dataset, images, pipeline, imageSize) = (dataset, images, pipeline, imageSize)
        let prefetcher = Prefetcher(threads: max(1, threads), ahead: threads + 1, until: batches.count) { index in
            let decoded = try batches[index].map { try images.image(dataset.items[$0]) }
            return try withTorchErrors {
                pipeline.tensor(decoded, size: imageSize) { SeededGenerator(seed: 0, domain: 0, step: 0, index: $0) }
            }
        }
        var result: [Prediction] = []
        for batch in batches {
            try poll()
            let inputs = try prefetcher.next().to(device: device)
            let labels = batch.map { dataset.items[$0].label }
            let (classes, losses, confidences) = inferenceMode {
                let logits = predict(ClassifierInput(inputs, frozenFeatures: frozenFeatures?.features(of: batch)))
                let losses = crossEntropy(logits, Tensor(labels, device: device), reduction: .none)
                let largest = logits.softmax(1).max([1])
                return (logits.argmax(1).scalars(Int.self), losses.scalars(Double.self), largest.scalars(Double.self))
            }
            for (place, item) in batch.enumerated() {
                result.append(
                    Prediction(
                        item: item, label: labels[place], predicted: classes[place], loss: losses[place],
                        confidence: confidences[place]))
            }
        }
        return result
    }
}
