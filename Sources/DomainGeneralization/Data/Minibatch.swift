import Backbones
import Torch

/// Images of one source environment for one training step.
public struct Minibatch: Sendable {
    /// Augmented and normalised images, float32 [N, 3, H, W].
    public let images: Tensor
    /// Class indices, int64 [N].
    public let labels: Tensor
    /// Where each image comes from: indices into ``ImageFolder/items``.
    public let items: [Int]
    /// The images' environment, one of ``ImageFolder/allEnvironments``.
    public let environment: Int
    /// Features of a frozen network [N, width], where the run's classifier takes some.
    public let frozenFeatures: Tensor?

    /// Rows of images that batch norm normalises by their own statistics in training (`BatchNormGuests`).
    public let guests: [Int]

    /// Images with their labels and where they come from.
    public init(
        images: Tensor, labels: Tensor, items: [Int], environment: Int, frozenFeatures: Tensor? = nil,
        guests: [Int] = []
    ) {
        self.images = images
        self.labels = labels
        self.items = items
        self.environment = environment
        self.frozenFeatures = frozenFeatures
        self.guests = guests
    }

    /// Number of images, N.
    public var count: Int { items.count }
    /// What the classifier is given.
    public var inputs: ClassifierInput { ClassifierInput(images, frozenFeatures: frozenFeatures, guests: guests) }

    /// The same images with features of a frozen network [N, width].
    public func with(frozenFeatures: Tensor) -> Minibatch {
        Minibatch(
            images: images, labels: labels, items: items, environment: environment, frozenFeatures: frozenFeatures,
            guests: guests)
    }

    /// Some of the images in a row.
    func part(_ rows: Range<Int>) -> Minibatch {
        Minibatch(
            images: images[rows].contiguous(.channelsLast), labels: labels[rows], items: Array(items[rows]),
            environment: environment, frozenFeatures: frozenFeatures?[rows],
            guests: guests.filter(rows.contains).map { $0 - rows.lowerBound })
    }

    /// Minibatches of one environment as one.
    /// - Precondition: there is at least one.
    static func joined(_ minibatches: [Minibatch]) -> Minibatch {
        guard minibatches.count > 1 else { return minibatches[0] }
        let inputs = minibatches.inputs
        return Minibatch(
            images: inputs.images, labels: minibatches.labels, items: minibatches.flatMap(\.items),
            environment: minibatches[0].environment, frozenFeatures: inputs.frozenFeatures, guests: inputs.guests)
    }
}

extension Sequence where Element == Minibatch {
    /// The images of all minibatches, in order: [ΣN, 3, H, W].
    public var images: Tensor { .concatenated(map(\.images)) }
    /// What the classifier is given of all minibatches, in order.
    public var inputs: ClassifierInput { .concatenated(map(\.inputs)) }
    /// The labels of all minibatches, in order: [ΣN].
    public var labels: Tensor { .concatenated(map(\.labels)) }
}

extension Minibatch {
    /// The same minibatch on a device, images in the given memory format.
    public func to(_ device: Device, format: MemoryFormat) -> Minibatch {
        Minibatch(
            images: images.to(device: device).contiguous(format), labels: labels.to(device: device), items: items,
            environment: environment, frozenFeatures: frozenFeatures?.to(device: device), guests: guests)
    }
}
