import Backbones
import Foundations
import Pixels
import Torch

/// The frozen features of a data set's items: made before training or evaluation, looked up in it.
public final class FrozenFeatureTable {
    /// What makes features.
    public let source: any FrozenFeatures
    private let device: Device
    /// [items, width].
    private let table: Tensor
    /// The row of each item.
    private let rows: [Int]

    /// Works out the features of all items.
    /// - Parameters:
    ///   - device: where they are needed.
    ///   - group: the processes that work out a share each; all of them call this.
    ///   - progress: called with the items done, of all; what it throws ends the work.
    /// - Throws: an error for an image that cannot be read; what the source throws.
    public init(
        _ source: any FrozenFeatures, dataset: ImageFolder, images: ImageCache, device: Device,
        over group: ProcessGroup? = nil, progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws {
        self.source = source
        self.device = device
        let items = dataset.items
        table = try source.features(items.count, over: group, progress: progress) { try images.image(items[$0]) }
        rows = Self.rows(dataset, source.assignment)
    }

    private static func rows(_ dataset: ImageFolder, _ assignment: FeatureAssignment) -> [Int] {
        var result = Array(dataset.items.indices)
        guard case .shuffled(let seed) = assignment else { return result }
        for environment in dataset.allEnvironments {
            let own = result.indices.filter { dataset.items[$0].environment == environment }
            var generator = SeededGenerator(seed: UInt64(bitPattern: Int64(seed)), domain: environment, step: 0)
            // A permutation in one cycle: nobody keeps its own.
            let order = generator.permutation(own.count)
            for (place, next) in zip(order, order.dropFirst() + order.prefix(1)) { result[own[place]] = own[next] }
        }
        return result
    }

    /// The features of items, [n, width], not standardised.
    public func features(of items: [Int]) -> Tensor {
        table.indexSelect(0, Tensor(items.map { rows[$0] })).to(device: device)
    }

    /// Mean and standard deviation of each feature over items, [width] each; a feature that does not vary has deviation 1.
    public func statistics(of items: [Int]) -> (mean: Tensor, deviation: Tensor) {
        noGrad {
            let own = table.indexSelect(0, Tensor(items))
            let deviation = own.variance([0]).sqrt()
            return (own.mean([0]), deviation + deviation.equal(0).to(dtype: .float32))
        }
    }

    /// The linear classifiers over the standardised features of items, as late fusion has them: one for each expert.
    func probes(_ dataset: ImageFolder, on training: [Int]) -> [LogisticProbe] {
        let features = standardised(training, by: training)
        let labels = Tensor(training.map { dataset.items[$0].label }, device: device)
        return zip(source.options.experts, source.options.ranges).map { expert, range in
            LogisticProbe(
                features.narrowed(1, start: range.lowerBound, length: range.count), labels: labels,
                classes: dataset.classes.count, penalty: expert.penalty)
        }
    }

    /// What linear classifiers that are fitted on items say of others: the sum of log p_u over the experts, [n, classes] float32.
    /// - Parameters:
    ///   - dataset: the table's.
    ///   - training: the items that they are fitted on, whose features also standardise all.
    public func opinion(of items: [Int], in dataset: ImageFolder, fittedOn training: [Int]) -> Tensor {
        let probes = probes(dataset, on: training)
        return noGrad {
            let features = standardised(items, by: training)
            return zip(probes, source.options.ranges).reduce(
                .zeros([items.count, dataset.classes.count], device: device)
            ) {
                let (sum, (probe, range)) = ($0, $1)
                return sum
                    + features.narrowed(1, start: range.lowerBound, length: range.count)
                    .linear(probe.weight, probe.bias).logSoftmax(1)
            }
        }
    }

    private func standardised(_ items: [Int], by training: [Int]) -> Tensor {
        let (mean, deviation) = statistics(of: training)
        return (features(of: items) - mean.to(device: device)) / deviation.to(device: device)
    }

    /// The minibatch with its images' features.
    func joining(_ minibatch: Minibatch) -> Minibatch {
        minibatch.with(frozenFeatures: features(of: minibatch.items))
    }
}
