import Backbones
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// A finished or running training's classifier, for evaluation and prediction.
public struct TrainedModel {
    /// The network, ready to predict.
    public let classifier: Classifier
    /// The settings of the run.
    public let configuration: RunConfiguration
    /// The classes' names, in the order of the logits.
    public let classes: [String]
    /// Number of steps that it was trained for.
    public let step: Int
    /// What an image goes through before the network.
    public let pipeline: ImagePipeline
    /// Where the network computes.
    public let device: Device
    /// What makes the features that the classifier takes beside its own; nil where it takes none.
    public let frozenFeatures: (any FrozenFeatures)?
    private let predictor: (ClassifierInput) -> Tensor

    /// Loads the checkpoint that training-domain validation chose, or else the newest.
    /// - Parameter averaged: takes the averaged model of the run's end instead.
    /// - Throws: a one-line error for a folder without a run, or without a whole checkpoint or averaged model.
    public init(run path: String, averaged: Bool = false, device: String = "auto", threads: Int) throws {
        Machine.threads = max(1, threads)
        let run = try RunDirectory(existing: path)
        for name in ["config.yaml", "classes.json"] { try RunSeal.check(name, in: path) }
        configuration = try run.configuration()
        guard let text = Files.contents("\(path)/classes.json"),
            let classes = try? JSONDecoder().decode([String].self, from: text)
        else { throw UserError("\(path)/classes.json: missing or unreadable; train again into another folder") }
        self.classes = classes
        let steps = run.checkpoints.steps
        guard !Files.exists("\(path)/\(EvaluationRecord.file)") else {
            throw UserError(
                "\(path): has no network of its own: it is an evaluation by a diffusion model; name a run that trained one"
            )
        }
        guard let newest = steps.last else {
            throw UserError("\(run.checkpoints.path): no checkpoint yet; let 'domainfusion train' run longer")
        }
        let chosen = try run.isDone ? run.summary().selected.step : newest
        let weights =
            averaged ? "\(path)/\(RunAverage.file)" : "\(run.checkpoints.path)/step-\(chosen)/model.safetensors"
        guard !averaged || Files.exists(weights) else {
            throw UserError(
                "\(weights): no such file; an averaged model is there at the end of a run that was started with --average"
            )
        }
        let state: StateDict
        if averaged {
            try RunSeal.check(RunAverage.file, in: path)
            state = try StateDict(safetensors: weights)
        } else {
            let checkpoint = try run.checkpoints.read(chosen)
            try checkpoint.state.run?.check(folder: path)
            state = checkpoint.model
        }
        step = averaged ? configuration.steps : chosen
        let description = try Backbones.named(configuration.backbone.name)
        self.device = try Device(parsing: device)
        frozenFeatures = try Additions(configuration).frozenFeatures(device: self.device)
        var options = configuration.classifierOptions
        options.frozenFeatures = frozenFeatures?.options
        classifier = try Classifier(
            description, classCount: classes.count, options: options, seed: 0, device: self.device)
        predictor = try AlgorithmRegistry.all.algorithm(named: configuration.algorithm.name)
            .predictor(configuration.algorithm.hyperparameters, classifier, batchSize: configuration.batchSize)
        try classifier.store.load(state, name: weights)
        pipeline = .evaluation(
            size: configuration.imageSize, normalization: Normalization(description.normalisation))
    }

    /// Class probabilities of images, each in the order of ``classes``.
    public func probabilities(_ images: [RGBImage]) throws -> [[Double]] {
        try rows(images) { $0.softmax(1) }
    }

    /// What the classifier's head takes of images.
    /// - Returns: float32 [N, features] on the CPU.
    /// - Throws: a one-line error of frozen features that the classifier takes, or of libtorch.
    func features(of images: [RGBImage]) throws -> Tensor {
        let frozen = try frozenFeatures?.assignedFeatures(of: images).to(device: device)
        return try withTorchErrors {
            classifier.evaluating {
                classifier.features(ClassifierInput(inputs(images), frozenFeatures: frozen)).to(device: .cpu)
            }
        }
    }

    private func inputs(_ images: [RGBImage]) -> Tensor {
        pipeline.tensor(images, size: configuration.imageSize) {
            SeededGenerator(seed: 0, domain: 0, step: 0, index: $0)
        }.to(device: device)
    }

    /// Logits of images, each in the order of ``classes``.
    ///
    /// They go through the network in batches that are filled up to one size, since libtorch rounds differently for others: an image's
    /// logits do not depend on how many there are.
    func logits(of images: [RGBImage]) throws -> [[Double]] {
        try stride(from: 0, to: images.count, by: Self.batch).flatMap { start in
            let part = start..<min(start + Self.batch, images.count)
            let full = (start..<start + Self.batch).map { images[min($0, images.count - 1)] }
            return try rows(full) { $0 }.prefix(part.count)
        }
    }

    /// Images in one pass of the network.
    private static let batch = 64

    private func rows(_ images: [RGBImage], _ transform: (Tensor) -> Tensor) throws -> [[Double]] {
        let features = try frozenFeatures?.assignedFeatures(of: images).to(device: device)
        return try withTorchErrors {
            let inputs = inputs(images)
            return classifier.evaluating {
                let input = ClassifierInput(inputs, frozenFeatures: features)
                let rows = transform(logits(input)).to(device: .cpu)
                return (0..<images.count).map { rows[$0].scalars(Double.self) }
            }
        }
    }

    /// Logits [N, classes] for N normalised images.
    func logits(_ input: ClassifierInput) -> Tensor { classifier.fused(predictor(input), input) }

    /// The same for images that were normalised for another model.
    func logits(_ input: ClassifierInput, normalisedFor other: TrainedModel) -> Tensor {
        logits(input, normalisedBy: other.pipeline.normalization)
    }

    /// The same for images that were normalised in another way.
    func logits(_ input: ClassifierInput, normalisedBy its: Normalization) -> Tensor {
        let own = pipeline.normalization
        guard own != its else { return logits(input) }
        func channels(_ value: (Int) -> Float) -> Tensor {
            Tensor((0..<3).map(value), shape: [1, 3, 1, 1], device: device)
        }
        let scale = channels { its.deviation[$0] / own.deviation[$0] }
        let shift = channels { (its.mean[$0] - own.mean[$0]) / own.deviation[$0] }
        return logits(input.with(images: input.images * scale + shift))
    }

    /// How the model does on every domain of a data set that has the same classes. Images that cannot be read are left out
    /// where the run's own settings say so.
    /// - Parameter warn: told of what is left out.
    /// - Throws: `UserError` for other classes, or an image that cannot be read.
    public func scores(
        on dataset: ImageFolder, threads: Int, warn: (String) -> Void = { _ in }
    ) throws -> [Score] {
        let readable = try readable(dataset, threads: threads, warn: warn)
        return try scores(
            Split.shuffledDomains(readable.dataset), of: readable, threads: threads, predict: { logits($0) })
    }

    /// The images of a data set that has the same classes.
    func readable(_ dataset: ImageFolder, threads: Int, warn: (String) -> Void) throws -> ReadableImages {
        guard dataset.classes == classes else {
            throw UserError(
                "\(dataset.root): its classes (\(dataset.classes.joined(separator: ", "))) are not the model's "
                    + "(\(classes.joined(separator: ", ")))")
        }
        return try ReadableImages(
            dataset, skipCorrupt: configuration.skipCorrupt, threads: threads, budget: 0,
            remedy: "see 'domainfusion data check \(dataset.root)'", warn: warn)
    }

    /// Scores of parts of a data set, lists of items, by any logits.
    func scores(
        _ parts: [[Int]], of readable: ReadableImages, threads: Int, predict: (ClassifierInput) -> Tensor
    ) throws -> [Score] {
        let table = try frozenFeatures.map {
            try FrozenFeatureTable($0, dataset: readable.dataset, images: readable.images, device: device)
        }
        let evaluator = Evaluator(
            dataset: readable.dataset, images: readable.images, pipeline: pipeline,
            imageSize: configuration.imageSize, device: device, frozenFeatures: table)
        return try parts.map {
            Score(predictions: try evaluator.predictions($0, threads: threads, predict: predict))
        }
    }
}
