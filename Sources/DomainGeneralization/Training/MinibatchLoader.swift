import Foundations
import Pixels
import Torch

/// Draws and prepares the minibatches of a run. What a step gets is a pure function of the seed and the step, so there
/// is no position to save: a run resumes by asking for its next step.
public struct MinibatchLoader: Sendable {
    private let dataset: ImageFolder
    private let split: Split
    /// With balanced classes, the training items of each environment by class.
    private let pools: [[[Int]]]
    private let environments: [Int]
    private let images: ImageCache
    private let pipeline: ImagePipeline
    private let imageSize: Int
    private let batchSize: Int
    private let sampling: Sampling
    /// This process's rows of a minibatch.
    private let rows: Range<Int>
    private let seed: UInt64

    /// A loader of a run's data, transforms, batch size and seed.
    public init(_ context: AlgorithmContext) {
        dataset = context.dataset
        split = context.split
        let items = context.dataset.items
        pools =
            split.isClassBalanced
            ? split.training.map { part in
                Dictionary(grouping: part) { items[$0].label }.sorted { $0.key < $1.key }.map(\.value)
            } : []
        environments = context.trainingEnvironments
        images = context.images
        pipeline = context.trainingPipeline
        imageSize = context.imageSize
        batchSize = context.batchSize
        sampling = context.sampling
        rows = context.group?.share(of: batchSize) ?? 0..<batchSize
        seed = UInt64(bitPattern: Int64(seedHash(.int(context.seed), "minibatch")))
    }

    /// The items of an environment's minibatch: drawn with replacement from its training items, or the next ones of a pass over
    /// them. With balanced classes a class is drawn first, so that an item's weight is that of ``classBalancedWeights(_:)``.
    public func items(step: Int, environment: Int) -> [Int] {
        if sampling == .epoch { return nextItems(step: step, environment: environment) }
        var generator = SeededGenerator(seed: seed, domain: environment, step: step)
        return (0..<batchSize).map { _ in
            var pool = split.training[environment]
            if split.isClassBalanced {
                let classes = pools[environment]
                pool = classes[generator.below(classes.count)]
            }
            return pool[generator.below(pool.count)]
        }
    }

    /// A minibatch may lie in two passes.
    private func nextItems(step: Int, environment: Int) -> [Int] {
        let pool = split.training[environment]
        let places = step * batchSize..<(step + 1) * batchSize
        let epochs = places.lowerBound / pool.count...(places.upperBound - 1) / pool.count
        let orders = epochs.map { epoch in
            var generator = SeededGenerator(seed: seed ^ Self.ofEpochs, domain: environment, step: epoch)
            return generator.permutation(pool.count)
        }
        return places.map { pool[orders[$0 / pool.count - epochs.lowerBound][$0 % pool.count]] }
    }

    /// Apart from the draws of single images.
    private static let ofEpochs: UInt64 = 0x6570_6F63_6873

    /// One minibatch of each environment that is trained on, on the CPU; of several processes this one's share of it.
    /// - Throws: a one-line error for an image that can no longer be read.
    public func minibatches(step: Int) throws -> [Minibatch] {
        try withTorchErrors { try environments.map { try minibatch(step: step, environment: $0) } }
    }

    private func minibatch(step: Int, environment: Int) throws -> Minibatch {
        let items = Array(items(step: step, environment: environment)[rows])
        let decoded = try items.map { try images.image(dataset.items[$0]) }
        let tensor = pipeline.tensor(decoded, size: imageSize) {
            SeededGenerator(seed: seed, domain: environment, step: step, index: rows.lowerBound + $0 + 1)
        }
        let labels = Tensor(items.map { dataset.items[$0].label })
        return Minibatch(images: tensor, labels: labels, items: items, environment: environment)
    }

    /// The minibatches of `steps` in order, made on threads ahead of their use.
    public func prefetched(_ steps: Range<Int>, threads: Int) -> Prefetcher<[Minibatch]> {
        Prefetcher(threads: threads, ahead: 2 * threads, from: steps.lowerBound, until: steps.upperBound) {
            try minibatches(step: $0)
        }
    }
}
