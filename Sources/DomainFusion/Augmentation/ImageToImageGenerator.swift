import Diffusion
import DomainGeneralization
import Torch

/// Candidates by image to image with a latent diffusion model.
public struct ImageToImageGenerator: CandidateGenerator {
    public let fingerprint: String
    private let model: LatentDiffusionModel
    private let settings: GenerationSettings

    /// - Throws: what reading the model's files for their hash throws.
    public init(_ model: LatentDiffusionModel, settings: GenerationSettings) throws {
        self.model = model
        self.settings = settings
        fingerprint = "\(try model.fingerprint()) \(try JSONValue(encoding: settings).text)"
    }

    public var imageSize: Int { model.imageSize }

    public var unetEvaluationsPerImage: Int {
        Int(Double(settings.steps) * settings.strength) * (settings.guidanceScale > 1 ? 2 : 1)
    }

    public var vaePassesPerImage: Int { 2 }

    public func generate(_ images: Tensor, prompts: [String], seeds: [UInt64]) throws -> Tensor {
        try model.imageToImage(images, prompts: prompts, settings: settings, seeds: seeds)
    }
}

extension OnlineAugmentation {
    /// Augmentation of a run's training images by a latent diffusion model.
    public convenience init(
        _ settings: AugmentationSettings, model: LatentDiffusionModel, context: AlgorithmContext, store: ContentStore,
        judge: ClassJudge? = nil
    ) throws {
        let generator = try ImageToImageGenerator(
            model,
            settings: GenerationSettings(
                steps: settings.steps, guidanceScale: settings.guidanceScale, strength: settings.strength))
        let space: any StyleContentSpace = switch settings.composition {
        case .fourier: FourierSpace(radius: settings.fourierRadius)
        case .latent: LatentAdaINSpace(model.vae, model: try model.fingerprint())
        }
        try self.init(
            settings, sources: AugmentationSource.all(of: context), generator: generator, space: space, store: store,
            judge: judge)
    }
}
