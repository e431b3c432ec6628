import Diffusion
import DomainGeneralization
import Foundations
import Torch

/// Candidates by image to image with a latent diffusion model.
public struct ImageToImageGenerator: CandidateGenerator {
    /// A hash of the model and of all settings that candidates depend on.
    public let fingerprint: String
    /// Passes through the U-Net that one candidate takes.
    public let unetEvaluationsPerImage: Int
    private let model: LatentDiffusionModel
    private let settings: GenerationSettings

    /// A generator of a model with given settings.
    /// - Parameter modelHash: a hash of the model's files.
    /// - Throws: `UserError` for a strength that leaves no step.
    public init(_ model: LatentDiffusionModel, modelHash: String, settings: GenerationSettings) throws {
        self.model = model
        self.settings = settings
        fingerprint = "\(modelHash) \(try JSONValue(encoding: settings).text)"
        unetEvaluationsPerImage = try model.unetEvaluations(settings, lastSteps: model.imageToImageSteps(settings))
    }

    /// Side of the images in pixels, the model's own.
    public var imageSize: Int { model.imageSize }

    /// The most images that the model works on together.
    public var largestBatch: Int { model.batchLimit }

    /// Two: an image is encoded and a candidate decoded.
    public var vaePassesPerImage: Int { 2 }

    /// Candidates [N, 3, H, W] in 0…1 of images [N, 3, H, W] in 0…1, under N prompts with N seeds.
    /// - Throws: a one-line error, `TorchError` for a lack of memory.
    public func generate(_ images: Tensor, prompts: [String], seeds: [UInt64]) throws -> Tensor {
        try model.imageToImage(images, prompts: prompts, settings: settings, seeds: seeds)
    }
}

extension AugmentationSettings {
    /// What makes candidates with a model, and what composes them.
    fileprivate func parts(_ model: LatentDiffusionModel) throws -> (any ImageGenerator<CandidateOrder>, Composer) {
        let hash = try model.fingerprint()
        let generation = GenerationSettings(
            steps: steps, guidanceScale: guidanceScale, strength: strength, scheduler: scheduler.className)
        let maker: any ImageGenerator<CandidateOrder> =
            switch generator {
            case .imageToImage: try ImageToImageGenerator(model, modelHash: hash, settings: generation)
            case .inversion: try InversionGenerator(model, modelHash: hash, settings: generation)
            }
        return (maker, try composer(model, hash: hash, generation: generation))
    }

    /// Makes candidates with a model and composes them as these settings say; without a judge.
    /// - Throws: a one-line error when the model's files cannot be read for their hash.
    public func augmenter(_ model: LatentDiffusionModel, store: ContentStore) throws -> Augmenter {
        let (generator, composer) = try parts(model)
        return augmenter(generator, composer: composer, store: store, judge: nil)
    }
}

extension OnlineAugmentation {
    /// Augmentation of a run's training images by a latent diffusion model.
    /// - Parameter styles: domains and the words for their styles, for prompts with `{style}` in them.
    /// - Throws: a one-line error for settings that cannot be, or model files that cannot be read for their hash.
    public convenience init(
        _ settings: AugmentationSettings, styles: [String: String] = [:], model: LatentDiffusionModel,
        context: AlgorithmContext, store: ContentStore, judge: CandidateJudge? = nil
    ) throws {
        var settings = settings
        settings.prompts = try DomainStyles(styles, context: context).prompts(settings.prompts)
        let (generator, composer) = try settings.parts(model)
        try self.init(
            settings, sources: AugmentationSource.all(of: context), generator: generator, composer: composer,
            store: store, judge: judge, group: context.group)
    }
}
