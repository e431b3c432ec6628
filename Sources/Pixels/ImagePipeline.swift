import Foundations

/// The transforms between a decoded image and a network, then the normalisation.
///
/// ```swift
/// let pipeline = ImagePipeline.training(size: 224)
/// var generator = SeededGenerator(seed: 0, domain: 1, step: 300, index: 7)
/// pipeline.write(try ImageFile.decode("dog.jpg"), into: slice, using: &generator)
/// ```
public struct ImagePipeline: Sendable {
    /// The steps, applied in this order.
    public var transforms: [any ImageTransform]
    /// What turns the last image's samples into numbers.
    public var normalization: Normalization

    /// A pipeline of these steps.
    public init(_ transforms: [any ImageTransform], normalization: Normalization = .imageNet) {
        self.transforms = transforms
        self.normalization = normalization
    }

    /// DomainBed's for testing: scaled to `size × size`.
    public static func evaluation(size: Int, normalization: Normalization = .imageNet) -> ImagePipeline {
        ImagePipeline([Resize(size)], normalization: normalization)
    }

    /// DomainBed's for training: random crop, flip, colour jitter of 0.3 and one greyscale image in ten.
    public static func training(size: Int, normalization: Normalization = .imageNet) -> ImagePipeline {
        ImagePipeline(
            [
                RandomResizedCrop(size), RandomHorizontalFlip(),
                ColorJitter(brightness: 0.3, contrast: 0.3, saturation: 0.3, hue: 0.3), RandomGrayscale(),
            ], normalization: normalization)
    }

    /// The transformed image, before normalisation.
    public func apply(_ image: RGBImage, using generator: inout some RandomNumberGenerator) -> RGBImage {
        var result = image
        for transform in transforms { transform.apply(&result, using: &generator) }
        return result
    }

    /// Writes the transformed and normalised image as channel planes `[3, height, width]`, such as one image's part
    /// of a batch.
    ///
    /// - Precondition: `buffer` holds as many numbers as the transformed image has samples.
    public func write(
        _ image: RGBImage, into buffer: UnsafeMutableBufferPointer<Float>,
        using generator: inout some RandomNumberGenerator
    ) {
        normalization.write(apply(image, using: &generator), into: buffer)
    }
}
