import Torch

/// Makes variants of images that show what a prompt says: the frozen diffusion model behind a round of augmentation.
///
/// What it makes of an image depends on the image, its prompt and its seed alone, not on the rest of the batch.
public protocol CandidateGenerator {
    /// Names the model, by a hash of its weights, and every setting: all that a candidate depends on beside the image,
    /// the prompt and the seed.
    var fingerprint: String { get }

    /// Side in pixels of the square images that it takes and gives, an even number.
    var imageSize: Int { get }

    /// Images that it takes at a time without dividing them.
    var largestBatch: Int { get }

    /// U-Net evaluations for one candidate; with classifier-free guidance two a step.
    var unetEvaluationsPerImage: Int { get }

    /// Images that the autoencoder encodes or decodes for one candidate.
    var vaePassesPerImage: Int { get }

    /// Whether a candidate depends on its seed.
    var drawsNoise: Bool { get }

    /// One variant of each image.
    /// - Parameters:
    ///   - images: [N, 3, size, size] in 0…1, on the CPU.
    ///   - prompts: N texts.
    ///   - seeds: N seeds of the noise.
    /// - Returns: [N, 3, size, size] in 0…1.
    func generate(_ images: Tensor, prompts: [String], seeds: [UInt64]) throws -> Tensor
}

extension CandidateGenerator {
    /// It does: most generators begin with noise.
    public var drawsNoise: Bool { true }
}
