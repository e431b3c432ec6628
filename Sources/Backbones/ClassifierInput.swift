import Torch

/// What a classifier is given: images, and beside them the features of a frozen network where a run joins some.
///
/// The rows of both belong together: what selects, orders or mixes images does the same with their features.
public struct ClassifierInput: Sendable {
    /// Normalised images, [N, 3, H, W].
    public let images: Tensor
    /// Features of another, frozen network of the same N images [N, width]; nil where the classifier takes none.
    public let frozenFeatures: Tensor?

    /// Rows of images that batch norm normalises by their own statistics in training (`BatchNormGuests`).
    public let guests: [Int]

    /// N images with their frozen features.
    public init(_ images: Tensor, frozenFeatures: Tensor? = nil, guests: [Int] = []) {
        self.images = images
        self.frozenFeatures = frozenFeatures
        self.guests = guests
    }

    /// Number of images, N.
    public var count: Int { images.size(0) }

    /// Other images with these frozen features: what was changed in the images leaves what they show.
    public func with(images: Tensor) -> ClassifierInput {
        ClassifierInput(images, frozenFeatures: frozenFeatures, guests: guests)
    }

    /// Some of the images.
    public func rows(_ range: Range<Int>) -> ClassifierInput {
        ClassifierInput(
            images[range], frozenFeatures: frozenFeatures.map { $0[range] },
            guests: guests.filter(range.contains).map { $0 - range.lowerBound })
    }

    /// `weight · self + (1 − weight) · other`, of images and features; a mixture is a guest where its first image is.
    public func mixed(with other: ClassifierInput, weight: Double) -> ClassifierInput {
        func mix(_ a: Tensor, _ b: Tensor) -> Tensor { weight * a + (1 - weight) * b }
        return ClassifierInput(
            mix(images, other.images),
            frozenFeatures: frozenFeatures.flatMap { own in other.frozenFeatures.map { mix(own, $0) } }, guests: guests)
    }

    /// Several inputs one after the other. All have frozen features, or none has.
    public static func concatenated(_ parts: [ClassifierInput]) -> ClassifierInput {
        let features = parts.compactMap(\.frozenFeatures)
        precondition(features.isEmpty || features.count == parts.count, "some inputs have frozen features, others none")
        var (guests, start): ([Int], Int) = ([], 0)
        for part in parts {
            guests += part.guests.map { $0 + start }
            start += part.count
        }
        return ClassifierInput(
            .concatenated(parts.map(\.images)), frozenFeatures: features.isEmpty ? nil : .concatenated(features),
            guests: guests)
    }
}
