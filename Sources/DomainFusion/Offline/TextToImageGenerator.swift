import Diffusion
import Foundations
import Pixels
import Torch

/// An image that is asked for by words alone.
public struct TextOrder: ImageOrder {
    /// What the image is to show, and how strongly.
    public let condition: TextCondition
    /// Seeds the noise.
    public let seed: UInt64

    /// An image under a condition.
    public init(_ condition: TextCondition, seed: UInt64) {
        (self.condition, self.seed) = (condition, seed)
    }

    /// The prompts, their shares and the weight of guidance.
    public func parts(hash: (RGBImage) -> String) -> [String: JSONValue] {
        [
            "prompt": .string(condition.prompt), "other": condition.other.map(JSONValue.string) ?? .null,
            "weight": .double(condition.weight), "guidance": condition.guidanceScale.map(JSONValue.double) ?? .null,
        ]
    }
}

/// Makes images of words with a latent diffusion model.
public struct TextToImageGenerator: ImageGenerator {
    /// A hash of the model and of all settings that the images depend on.
    public let fingerprint: String
    /// Passes through the U-Net that one image takes.
    public let unetEvaluationsPerImage: Int
    private let model: LatentDiffusionModel
    private let settings: GenerationSettings

    /// A generator of a model with given settings; an order's own weight of guidance goes before theirs.
    /// - Parameter modelHash: a hash of the model's files.
    /// - Throws: `UserError` for steps that the model cannot take.
    public init(_ model: LatentDiffusionModel, modelHash: String, settings: GenerationSettings) throws {
        (self.model, self.settings) = (model, settings)
        fingerprint = "\(modelHash) text \(try JSONValue(encoding: settings).text)"
        unetEvaluationsPerImage = try model.unetEvaluations(settings)
    }

    /// Side of the images in pixels, the model's own.
    public var imageSize: Int { model.imageSize }

    /// The most images that the model works on together.
    public var largestBatch: Int { model.batchLimit }

    /// One: the image is decoded.
    public var vaePassesPerImage: Int { 1 }

    /// One image for each order: [N, 3, size, size] in 0…1.
    /// - Throws: a one-line error, `TorchError` for a lack of memory.
    public func generate(_ orders: [TextOrder]) throws -> Tensor {
        try model.textToImage(
            conditions: orders.map(\.condition), settings: settings, seeds: orders.map(\.seed))
    }
}
