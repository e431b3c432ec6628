import Torch

extension Array where Element == Minibatch {
    /// The number of images of each minibatch.
    public var sizes: [Int] { map(\.count) }

    /// For each image the place of its minibatch among these: int64 [ΣN].
    public var domains: Tensor {
        let places = enumerated().flatMap { [Int](repeating: $0, count: $1.count) }
        return Tensor(places, device: labels.device)
    }

    /// Rows of a tensor over all minibatches, by minibatch.
    public func split(_ rows: Tensor) -> [Tensor] { rows.split(sizes) }

    /// The cross-entropy of each minibatch from the logits of all: one scalar each.
    public func losses(_ logits: Tensor) -> [Tensor] {
        zip(split(logits), self).map { crossEntropy($0, $1.labels) }
    }

    /// The first `count` images of each of two minibatches, as many as both have.
    public static func matched(_ a: Minibatch, _ b: Minibatch) -> (Minibatch, Minibatch) {
        let count = Swift.min(a.count, b.count)
        return (a.prefix(count), b.prefix(count))
    }
}

extension Minibatch {
    /// The first `count` images, or all where there are fewer.
    public func prefix(_ count: Int) -> Minibatch {
        guard count < self.count else { return self }
        return Minibatch(
            images: images[0..<count], labels: labels[0..<count], items: Array(items.prefix(count)),
            environment: environment, frozenFeatures: frozenFeatures.map { $0[0..<count] },
            guests: guests.filter { $0 < count })
    }
}

extension [Tensor] {
    /// The mean of scalar tensors, such as the environments' losses.
    public var mean: Tensor { Tensor.stacked(self).mean() }

    /// The sum of scalar tensors, such as the environments' losses.
    public var total: Tensor { Tensor.stacked(self).sum() }
}
