import Diffusion
import DomainGeneralization
import Foundations
import Pixels

/// Every source image moved towards every domain by a model that was fine-tuned on that domain: DSI's models make training images
/// (the other way to read DomainFusion's figure, ECCV 2024), by DSI's way of sampling (``ShiftInversionGenerator``).
///
/// It makes as many images as ``CrossDomainPlan``, with the same seeds. Those of one target are neighbours, so that one model is in
/// memory at a time.
public struct ShiftInversionPlan: GenerationPlan {
    /// What is made of which image.
    let base: CrossDomainPlan

    /// The plan of a data set.
    /// - Parameter domains: makes images of these domains alone, towards these alone; all by default.
    /// - Throws: `UserError` as ``CrossDomainPlan``.
    public init(_ settings: CrossDomainSettings, dataset: ImageFolder, domains: [String] = []) throws {
        base = try CrossDomainPlan(settings, dataset: dataset, domains: domains)
    }

    /// The domains that images are moved towards.
    public var domains: [String] { base.domains }

    /// Number of images.
    public var count: Int { base.count }

    /// The folder of the data set.
    public var root: String { base.root }

    private var imagesOfTarget: Int { base.sources.count * base.settings.copies }

    /// The image of a number.
    public func record(_ number: Int) -> GeneratedImage {
        let (target, place) = number.quotientAndRemainder(dividingBy: imagesOfTarget)
        let (source, copy) = place.quotientAndRemainder(dividingBy: base.settings.copies)
        return base.record(base.number(source: source, target: target) + copy)
    }

    /// A translation of the source under the prompt.
    public func order(_ record: GeneratedImage, image: (String) throws -> RGBImage) throws -> CandidateOrder {
        try base.order(record, image: image)
    }

    /// Makes the images of one target by shift inversion.
    public func maker(_ model: LatentDiffusionModel, hash: String, store: ContentStore) throws -> CandidateMaker {
        CandidateMaker(
            generator: try ShiftInversionGenerator(
                model, modelHash: hash, settings: base.settings.generation.withDDIM),
            store: store, batchSize: base.settings.batchSize)
    }

    /// That of the base, and how images are sampled.
    public var identity: JSONValue {
        get throws { .object((try base.identity.object ?? [:]).merging(["sampling": "shift inversion"]) { $1 }) }
    }

    /// Source images, each towards all domains.
    public func layout(rows: Int) -> GenerationLayout {
        base.layout(rows: rows) { source, target in
            target * imagesOfTarget + source * base.settings.copies
        }
    }
}
