import Torch

/// Makes the images that orders of one kind ask for: a frozen diffusion model with its settings.
///
/// What it makes depends on the order alone, not on the rest of the batch.
public protocol ImageGenerator<Order> {
    /// What it is asked for.
    associatedtype Order: ImageOrder

    /// Names the model, by a hash of its weights, and every setting: all that an image depends on beside its order.
    var fingerprint: String { get }

    /// Side in pixels of the square images that it takes and gives, an even number.
    var imageSize: Int { get }

    /// Images that it makes at a time without dividing them.
    var largestBatch: Int { get }

    /// U-Net evaluations for one image; with classifier-free guidance two a step.
    var unetEvaluationsPerImage: Int { get }

    /// Images that the autoencoder encodes or decodes for one image.
    var vaePassesPerImage: Int { get }

    /// Whether an image depends on its seed.
    var drawsNoise: Bool { get }

    /// One image for each order: [N, 3, size, size] in 0…1.
    func generate(_ orders: [Order]) throws -> Tensor
}

extension ImageGenerator {
    /// It does: most generators begin with noise.
    public var drawsNoise: Bool { true }
}
