import Diffusion
import Foundations
import Torch

/// Candidates by DDIM inversion: an image is walked towards noise under the empty prompt and without guidance, then denoised
/// under the candidate's prompt. No noise is drawn, so that the layout stays; candidates differ by their prompts alone.
///
/// The empty prompt is what training-free style transfer inverts with (StyleID, arXiv 2312.09008; Plug-and-Play, arXiv
/// 2211.12572): it needs no description of the image, and nothing of it is lost by guidance.
public struct InversionGenerator: CandidateGenerator {
    /// A hash of the model and of all settings that candidates depend on.
    public let fingerprint: String
    /// Passes through the U-Net that one candidate takes, of both ways.
    public let unetEvaluationsPerImage: Int
    private let model: LatentDiffusionModel
    private let settings: GenerationSettings

    /// A generator of a model with given settings: `strength` is the part of the steps that is walked, `guidanceScale` that
    /// of the way back.
    /// - Parameter modelHash: a hash of the model's files.
    /// - Throws: `UserError` for a strength that leaves no step, or a model that cannot be walked back.
    public init(_ model: LatentDiffusionModel, modelHash: String, settings: GenerationSettings) throws {
        self.model = model
        self.settings = settings.withDDIM
        fingerprint = "\(modelHash) inversion \(try JSONValue(encoding: self.settings).text)"
        unetEvaluationsPerImage = try model.unetEvaluationsOfEdit(settings)
    }

    /// Side of the images in pixels, the model's own.
    public var imageSize: Int { model.imageSize }

    /// The most images that the model works on together.
    public var largestBatch: Int { model.batchLimit }

    /// Two: an image is encoded and a candidate decoded.
    public var vaePassesPerImage: Int { 2 }

    /// Not: a candidate is a function of its image and prompt.
    public var drawsNoise: Bool { false }

    /// Candidates [N, 3, H, W] in 0…1 of images [N, 3, H, W] in 0…1, under N prompts, whatever the seeds.
    /// - Throws: a one-line error, `TorchError` for a lack of memory.
    public func generate(_ images: Tensor, prompts: [String], seeds: [UInt64]) throws -> Tensor {
        try model.editAfterInversion(images, from: prompts.map { _ in "" }, to: prompts, settings: settings)
    }
}
