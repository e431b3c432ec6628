import Backbones
import Logging
import Pixels
import Torch

/// What an algorithm is built from: the data, the run's settings, and a way to make the classifier.
public struct AlgorithmContext {
    /// The data set, with all its environments.
    public let dataset: ImageFolder
    /// Which items train, validate, and are unseen.
    public let split: Split
    /// The domains that are trained on, in ascending order.
    public let sourceEnvironments: [Int]
    /// The environments that are held out. With an oracle run they are among the sources, too.
    public let testEnvironments: [Int]
    /// The decoded images of the data set.
    public let images: ImageCache
    /// What an image goes through before it is trained on: random crop, flip, jitter; then normalisation.
    public let trainingPipeline: ImagePipeline
    /// What an image goes through before it is evaluated: a plain resize, then the same normalisation.
    public let evaluationPipeline: ImagePipeline
    /// Side of the images that the classifier sees, in pixels.
    public let imageSize: Int
    /// Images of each environment that is trained on in a step.
    public let batchSize: Int
    /// How a step's images are drawn from their environment.
    public let sampling: Sampling
    /// Parts that a step's images go through the network in, one after the other; their gradients add up.
    public let accumulation: Int
    /// Steps of the whole run.
    public let steps: Int
    /// How the run's optimiser steps.
    public let optimizer: OptimizerSettings
    /// Where the classifier computes.
    public let device: Device
    /// The run's seed, of which every draw is a function.
    public let seed: Int
    /// The run's folder, for what an algorithm writes beside checkpoints.
    public let runDirectory: String
    /// The folder of the content-addressed store that runs share.
    public let storeDirectory: String
    /// Where an algorithm says what people should know of its work.
    public let logger: Logger
    /// The features of a frozen network that the classifier takes beside its own; nil for none.
    public var frozenFeatures: FrozenFeatureTable?
    /// The processes that train together, each on its share of a step's images; nil for one alone.
    public var group: ProcessGroup?
    private let classifier: @Sendable (FrozenFeatureOptions?) throws -> Classifier

    /// What a run gives its algorithm; the properties have the parameters' names.
    /// - Parameter classifier: makes a classifier with the run's network, weights and device, whose head takes the frozen
    ///   features that there are.
    public init(
        dataset: ImageFolder, split: Split, sourceEnvironments: [Int], testEnvironments: [Int], images: ImageCache,
        trainingPipeline: ImagePipeline, evaluationPipeline: ImagePipeline, imageSize: Int, batchSize: Int,
        sampling: Sampling = .replacement, accumulation: Int = 1, steps: Int, optimizer: OptimizerSettings,
        device: Device, seed: Int, runDirectory: String,
        storeDirectory: String, logger: Logger,
        classifier: @escaping @Sendable (FrozenFeatureOptions?) throws -> Classifier
    ) {
        self.dataset = dataset
        self.split = split
        self.sourceEnvironments = sourceEnvironments
        self.testEnvironments = testEnvironments
        self.images = images
        self.trainingPipeline = trainingPipeline
        self.evaluationPipeline = evaluationPipeline
        self.imageSize = imageSize
        self.batchSize = batchSize
        self.sampling = sampling
        self.accumulation = accumulation
        self.steps = steps
        self.optimizer = optimizer
        self.device = device
        self.seed = seed
        self.runDirectory = runDirectory
        self.storeDirectory = storeDirectory
        self.logger = logger
        self.classifier = classifier
    }

    /// The classes' names, in the order of the logits.
    public var classes: [String] { dataset.classes }
    /// How the pixels that the classifier sees are normalised.
    public var normalization: Normalization { evaluationPipeline.normalization }

    /// The seed of draws for a step's images: of several processes each draws for its own.
    public func ownSeed(_ seed: UInt64) -> UInt64 { seed &+ UInt64(group?.rank ?? 0) &* 0x9E37_79B9_7F4A_7C15 }

    /// The environments that are trained on: the source domains, then those of generated images. One minibatch each comes to every
    /// update.
    public var trainingEnvironments: [Int] {
        sourceEnvironments + dataset.allEnvironments.dropFirst(dataset.environments.count)
    }

    /// The training items of all environments that are trained on, in ascending order.
    public var trainingItems: [Int] { trainingEnvironments.flatMap { split.training[$0] }.sorted() }

    /// Steps after which the smallest environment that is trained on has been drawn once (DomainBed's epoch).
    public var stepsPerEpoch: Double {
        let smallest = trainingEnvironments.map { split.training[$0].count }.min() ?? 0
        return max(1, Double(smallest) / Double(batchSize))
    }

    /// A new classifier as the run asks for it, with its pretrained weights, on the run's device.
    /// - Throws: a one-line error for weights that are missing or do not fit.
    public func makeClassifier() throws -> Classifier {
        guard let frozenFeatures else { return try classifier(nil) }
        let made = try classifier(frozenFeatures.source.options)
        let (mean, deviation) = frozenFeatures.statistics(of: trainingItems)
        made.standardiseFrozenFeatures(mean: mean, deviation: deviation)
        if frozenFeatures.source.options.fusion == .late {
            for (number, probe) in frozenFeatures.probes(dataset, on: trainingItems).enumerated() {
                made.takeExpert(number, weight: probe.weight, bias: probe.bias)
            }
        }
        return made
    }
}
