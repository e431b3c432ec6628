import Diffusion
import Foundations
import Pixels
import Torch

/// A variant of an image that another one leads.
public struct GuidedOrder: ImageOrder {
    /// The image to start from, and the one whose latent is mixed in, both of the generator's size.
    public let image: RGBImage, guide: RGBImage
    /// What the variant is to show.
    public let prompt: String
    /// Seeds the noise.
    public let seed: UInt64

    /// A variant of an image with a guide under a prompt.
    public init(image: RGBImage, guide: RGBImage, prompt: String, seed: UInt64) {
        (self.image, self.guide, self.prompt, self.seed) = (image, guide, prompt, seed)
    }

    /// Both images' hashes and the prompt.
    public func parts(hash: (RGBImage) -> String) -> [String: JSONValue] {
        ["image": .string(hash(image)), "guide": .string(hash(guide)), "prompt": .string(prompt)]
    }
}

/// Makes variants by image to image of two images' mixed latents (`ImageGuide`).
public struct ImageGuidedGenerator: ImageGenerator {
    /// A hash of the model and of all settings that the images depend on.
    public let fingerprint: String
    /// Passes through the U-Net that one image takes.
    public let unetEvaluationsPerImage: Int
    private let model: LatentDiffusionModel
    private let settings: GenerationSettings
    private let weight: Double

    /// A generator of a model with given settings.
    /// - Parameters:
    ///   - modelHash: a hash of the model's files.
    ///   - weight: the share of the guide's latent, 0…1.
    /// - Throws: `UserError` for a strength that leaves no step.
    public init(
        _ model: LatentDiffusionModel, modelHash: String, settings: GenerationSettings, weight: Double
    ) throws {
        (self.model, self.settings, self.weight) = (model, settings, weight)
        fingerprint = "\(modelHash) guided \(weight) \(try JSONValue(encoding: settings).text)"
        unetEvaluationsPerImage = try model.unetEvaluations(settings, lastSteps: model.imageToImageSteps(settings))
    }

    /// Side of the images in pixels, the model's own.
    public var imageSize: Int { model.imageSize }

    /// The most images that the model works on together.
    public var largestBatch: Int { model.batchLimit }

    /// Three: image and guide are encoded and the result decoded.
    public var vaePassesPerImage: Int { 3 }

    /// One image for each order: [N, 3, size, size] in 0…1.
    /// - Throws: a one-line error, `TorchError` for a lack of memory.
    public func generate(_ orders: [GuidedOrder]) throws -> Tensor {
        try model.imageToImage(
            .images(orders.map(\.image)), prompts: orders.map(\.prompt), settings: settings, seeds: orders.map(\.seed),
            guide: ImageGuide(.images(orders.map(\.guide)), weight: weight))
    }
}
