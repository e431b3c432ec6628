import Foundations
import Pixels
import Torch

/// A variant of an image that a diffusion model is asked for.
public struct CandidateOrder: ImageOrder {
    /// The image to start from, of the generator's size.
    public let image: RGBImage
    /// What the variant is to show.
    public let prompt: String
    /// Seeds the noise.
    public let seed: UInt64

    /// A variant of an image under a prompt.
    public init(image: RGBImage, prompt: String, seed: UInt64) {
        (self.image, self.prompt, self.seed) = (image, prompt, seed)
    }

    /// The image's hash and the prompt.
    public func parts(hash: (RGBImage) -> String) -> [String: JSONValue] {
        ["image": .string(hash(image)), "prompt": .string(prompt)]
    }
}

/// Makes variants of images that show what a prompt says: the frozen diffusion model behind a round of augmentation.
public protocol CandidateGenerator: ImageGenerator<CandidateOrder> {
    /// One variant of each image.
    /// - Parameters:
    ///   - images: [N, 3, size, size] in 0…1, on the CPU.
    ///   - prompts: N texts.
    ///   - seeds: N seeds of the noise.
    /// - Returns: [N, 3, size, size] in 0…1.
    func generate(_ images: Tensor, prompts: [String], seeds: [UInt64]) throws -> Tensor
}

extension CandidateGenerator {
    /// One variant for each order.
    public func generate(_ orders: [CandidateOrder]) throws -> Tensor {
        try generate(.images(orders.map(\.image)), prompts: orders.map(\.prompt), seeds: orders.map(\.seed))
    }
}

/// Makes candidates in full batches; those that are in the store are not made again.
public typealias CandidateMaker = ImageMaker<CandidateOrder>
