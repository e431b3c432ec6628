import Diffusion
import DomainGeneralization
import Foundations
import Pixels

/// All images that cross-domain generative augmentation guided by images (CDGA-IG, https://arxiv.org/abs/2312.05387) makes of a data
/// set: as ``CrossDomainPlan``, but what leads to a domain is one of its images of the same class, drawn anew for every image, whose
/// latent is mixed in (`ImageGuide`).
///
/// Images whose domain has no other image of the class are not made. That both latents have equal shares by default and get one noise
/// is our decision; the paper says that they are interpolated.
public struct ImageGuidedPlan: GenerationPlan {
    /// The share of the guide by default.
    public static let defaultWeight = 0.5

    /// What is made of which image.
    let base: CrossDomainPlan
    /// The share of the guide's latent, 0…1.
    public let weight: Double
    /// The places in the base's sources by domain and class.
    private let guides: [Place: [Int]]
    /// The numbers in the base, without copies, of the images that there is a guide for.
    private let numbers: [Int]

    private struct Place: Hashable {
        let domain: String, className: String
    }

    /// The plan of a data set.
    /// - Parameters:
    ///   - weight: the share of the guide's latent.
    ///   - domains: makes images of these domains alone, guided by images of these alone; all by default.
    /// - Throws: `UserError` as ``CrossDomainPlan``; for a weight out of 0…1, or where no image has a guide.
    public init(
        _ settings: CrossDomainSettings, weight: Double = defaultWeight, dataset: ImageFolder, domains: [String] = []
    ) throws {
        guard (0...1).contains(weight) else { throw UserError("generate.weight: \(weight) is not in 0…1") }
        self.weight = weight
        let base = try CrossDomainPlan(settings, dataset: dataset, domains: domains)
        let guides = Dictionary(grouping: base.sources.indices) {
            Place(
                domain: dataset.environments[base.sources[$0].environment], className: base.sources[$0].className)
        }
        numbers = base.sources.indices.flatMap { source in
            base.domains.indices.filter { target in
                let place = Place(domain: base.domains[target], className: base.sources[source].className)
                return guides[place]?.contains { $0 != source } ?? false
            }.map { base.number(source: source, target: $0) }
        }
        (self.base, self.guides) = (base, guides)
        guard !numbers.isEmpty else {
            throw UserError("\(dataset.root): no class has two images; there is nothing to guide by")
        }
    }

    /// Number of images.
    public var count: Int { numbers.count * base.settings.copies }

    /// The folder of the data set.
    public var root: String { base.root }

    /// The image of a number, with its guide.
    public func record(_ number: Int) -> GeneratedImage {
        let (rest, copy) = number.quotientAndRemainder(dividingBy: base.settings.copies)
        let record = base.record(numbers[rest] + copy)
        let own = base.places(numbers[rest]).source
        let others = (guides[Place(domain: record.target, className: record.className)] ?? []).filter { $0 != own }
        var draw = SeededGenerator(
            seed: GeneratedImage.seed(
                "\(base.settings.seed)", "guide", record.target, "\(copy)", base.sources[own].name))
        return record.guided(by: base.sources[others[draw.below(others.count)]].name, weight: weight)
    }

    /// Image to image of the source and the guide under the prompt.
    public func order(_ record: GeneratedImage, image: (String) throws -> RGBImage) throws -> GuidedOrder {
        GuidedOrder(
            image: try image(record.source ?? ""), guide: try image(record.guide ?? ""), prompt: record.prompt,
            seed: record.seed)
    }

    /// Makes the images by image to image of mixed latents.
    public func maker(_ model: LatentDiffusionModel, hash: String, store: ContentStore) throws -> ImageMaker<
        GuidedOrder
    > {
        ImageMaker(
            generator: try ImageGuidedGenerator(
                model, modelHash: hash, settings: base.settings.generation, weight: weight),
            store: store, batchSize: base.settings.batchSize)
    }

    /// That of the base, and the guide's share.
    public var identity: JSONValue {
        get throws { .object((try base.identity.object ?? [:]).merging(["guideWeight": .double(weight)]) { $1 }) }
    }

    /// Source images, each guided by all domains.
    public func layout(rows: Int) -> GenerationLayout {
        let places = Dictionary(uniqueKeysWithValues: numbers.enumerated().map { ($1, $0) })
        return base.layout(rows: rows) { source, target in
            places[base.number(source: source, target: target)].map { $0 * base.settings.copies }
        }
    }
}
