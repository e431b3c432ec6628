import Diffusion
import DomainGeneralization
import Foundations
import Pixels

/// Settings of cross-domain generative augmentation (CDGA, https://arxiv.org/abs/2312.05387).
public struct CrossDomainSettings: Hyperparameters, Equatable {
    /// Words for the style of each domain.
    public var styles: [String: String] = [:]
    /// What an image is asked for: `{class}` or `{a class}`, and `{style}` or `{a style}` of the domain that it is to look like.
    public var prompt = "a {class}, {style}"
    /// K, the images for each source image and domain.
    public var copies = 1
    /// Share of the noise that an image starts from.
    public var strength = 0.75
    /// Weight of the prompt (classifier-free guidance); 1 is none.
    public var guidanceScale = 7.5
    /// Denoising steps from pure noise; an image takes a share of them, as strength says.
    public var steps = 50
    /// Images in one call of the diffusion model.
    public var batchSize = 16
    /// Seeds the noise.
    public var seed = 0

    /// Every setting at its default, the paper's.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("styles", \.styles, "words for the style of each domain"),
        Setting("prompt", \.prompt, "what an image is asked for, with {class} and {style}", .prompt),
        Setting("copies", \.copies, "images for each source image and domain", .within(1...1_000_000)),
        Setting("strength", \.strength, "share of the noise that an image starts from", .above(0, atMost: 1)),
        Setting("guidanceScale", \.guidanceScale, "classifier-free guidance; 1 is none", .atLeast(1)),
        Setting("steps", \.steps, "denoising steps from pure noise", .within(1...1_000_000)),
        Setting("batchSize", \.batchSize, "images in one call of the diffusion model", .within(1...65_536)),
        Setting("seed", \.seed, "seeds the noise", .seed),
    ]

    /// What settings that are right each by itself must not be together.
    public static let rules: [SettingRule<Self>] = [
        SettingRule("steps") {
            Double($0.steps) * $0.strength >= 1 ? nil : "must be enough for one step at this strength"
        }
    ]

    /// The words that the paper has for the domains of public data sets (its appendix); none for others.
    public static func publishedStyles(of dataset: String) -> [String: String] {
        switch KnownDataset.named(dataset)?.name {
        case "PACS":
            [
                "art_painting": "art painting", "cartoon": "cartoon, cartoonish",
                "photo": "photorealistic, extremely detailed",
                "sketch": "sketch drawing, black and white, less details",
            ]
        case "OfficeHome":
            [
                "Art": "art painting, art", "Clipart": "clipart, schematic, simplified",
                "Product": "product, merchandise",
                "Real World": "real world, extremely detailed",
            ]
        case "DomainNet":
            [
                "clipart": "cartoon, cartoonish, drawing", "infograph": "infographic, data visualization, poster",
                "painting": "art painting", "quickdraw": "extremely simple drawing, black and white",
                "real": "photorealistic, extremely detailed", "sketch": "sketch drawing, black and white, less details",
            ]
        default: [:]
        }
    }
}

extension CrossDomainSettings {
    /// Makes the images with a model.
    /// - Throws: a one-line error when the model's files cannot be read for their hash.
    public func maker(_ model: LatentDiffusionModel, store: ContentStore) throws -> CandidateMaker {
        CandidateMaker(
            generator: try ImageToImageGenerator(
                model, modelHash: model.fingerprint(),
                settings: GenerationSettings(steps: steps, guidanceScale: guidanceScale, strength: strength)),
            store: store, batchSize: batchSize)
    }
}

/// All images that cross-domain generative augmentation makes of a data set, in a fixed order: K of every source image for every
/// domain.
///
/// Nothing is held out here: the images of one folder serve every run, which takes those of its own source domains
/// (``GeneratedImages``).
public struct CrossDomainPlan: Sendable {
    /// The settings of the plan.
    public let settings: CrossDomainSettings
    /// The data set's images.
    public let sources: [AugmentationSource]
    /// The domains' names.
    public let domains: [String]
    /// What images are asked for in the style of each domain, before the class is named.
    private let templates: [String]

    /// The plan of a data set.
    /// - Throws: `UserError` for a domain without words for its style, or settings that cannot be.
    public init(_ settings: CrossDomainSettings, dataset: ImageFolder) throws {
        try settings.validate(path: "generate")
        self.settings = settings
        domains = dataset.environments
        templates = try domains.map { domain in
            guard Caption.namesStyle(settings.prompt) else { return settings.prompt }
            guard let words = settings.styles[domain] else {
                throw UserError(
                    "styles: no words for the style of the domain '\(domain)'; give them (--style \(domain)=WORDS), or write a "
                        + "prompt without {style}")
            }
            return Caption.prompt(settings.prompt, style: words)
        }
        sources = AugmentationSource.all(of: dataset, items: Array(dataset.items.indices))
    }

    /// Number of images.
    public var count: Int { sources.count * domains.count * settings.copies }

    /// One image of the plan.
    struct Entry {
        let source: AugmentationSource
        let target: Int
        let copy: Int
        let prompt: String
        let seed: UInt64
        let path: String
    }

    /// The image of a number in 0..<``count``: those of one source image are neighbours.
    func entry(_ number: Int) -> Entry {
        let (rest, copy) = number.quotientAndRemainder(dividingBy: settings.copies)
        let (index, target) = rest.quotientAndRemainder(dividingBy: domains.count)
        let source = sources[index]
        let (own, other) = (domains[source.environment], domains[target])
        let seed =
            UInt64(SHA256Sum.of("\(settings.seed)/cdga/\(other)/\(copy)/\(source.name)").prefix(13), radix: 16) ?? 0
        let folder = "\(own)/\(own)_\(other)/\(source.className)"
        let stem = FilePath.stem(of: source.name)
        let suffix = settings.copies == 1 ? "" : "-\(copy)"
        return Entry(
            source: source, target: target, copy: copy,
            prompt: Caption.prompt(templates[target], class: source.className), seed: seed,
            path: "\(folder)/\(stem)\(suffix).png")
    }

    /// What the images depend on beside the model and the pixels.
    var identity: JSONValue {
        get throws {
            [
                "settings": try JSONValue(encoding: settings), "domains": .array(domains.map(JSONValue.string)),
                "sources": .string(SHA256Sum.of(sources.map(\.name).joined(separator: "\n"))),
            ]
        }
    }
}
