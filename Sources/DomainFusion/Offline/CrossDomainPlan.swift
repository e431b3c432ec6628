import Diffusion
import DomainGeneralization
import Foundations
import Pixels

/// All images that cross-domain generative augmentation guided by prompts (CDGA-PG) makes of a data set: K of every source image for
/// every domain. Those of one source image are neighbours.
public struct CrossDomainPlan: GenerationPlan {
    /// The settings of the plan.
    public let settings: CrossDomainSettings
    /// The images that others are made of.
    public let sources: [AugmentationSource]
    /// The domains' names.
    public let domains: [String]
    /// The folder of the data set.
    public let root: String
    /// The names of all domains of the data set.
    private let names: [String]
    /// What images are asked for in the style of each domain, before the class is named.
    private let templates: [String]

    /// The plan of a data set.
    /// - Parameter domains: makes images of these domains alone, in the styles of these alone; all by default.
    /// - Throws: `UserError` for a domain without words for its style, settings that cannot be, or a domain that there is not.
    public init(_ settings: CrossDomainSettings, dataset: ImageFolder, domains chosen: [String] = []) throws {
        try settings.validate(path: "generate")
        self.settings = settings
        root = dataset.root
        names = dataset.environments
        let indices = try dataset.indices(ofDomains: chosen)
        domains = indices.map { dataset.environments[$0] }
        templates = try domains.map { domain in
            guard Caption.namesStyle(settings.prompt) else { return settings.prompt }
            return try Caption.prompt(settings.prompt, style: settings.styles.words(for: domain))
        }
        // What is in no split is never trained on.
        let items = dataset.items.indices.filter {
            indices.contains(dataset.items[$0].environment) && !dataset.items[$0].isUnseen
        }
        sources = AugmentationSource.all(of: dataset, items: items)
    }

    /// Number of images.
    public var count: Int { sources.count * domains.count * settings.copies }

    /// The number of a source image's first copy in a domain's style: places in ``sources`` and ``domains``.
    func number(source: Int, target: Int) -> Int { (source * domains.count + target) * settings.copies }

    /// The places in ``sources`` and ``domains`` of an image.
    func places(_ number: Int) -> (source: Int, target: Int) {
        let place = number / settings.copies
        return (place / domains.count, place % domains.count)
    }

    /// The image of a number.
    public func record(_ number: Int) -> GeneratedImage {
        let (place, target) = places(number)
        let copy = number % settings.copies
        let source = sources[place]
        let (own, other) = (names[source.environment], domains[target])
        let suffix = settings.copies == 1 ? "" : "-\(copy)"
        let folder = GeneratedImage.folder(own, other, className: source.className)
        return GeneratedImage(
            path: "\(folder)/\(FilePath.stem(of: source.name))\(suffix).png", source: source.name,
            className: source.className, domain: own, target: other, copy: copy,
            prompt: Caption.prompt(templates[target], class: source.className),
            seed: GeneratedImage.seed("\(settings.seed)", "cdga", other, "\(copy)", source.name))
    }

    /// Image to image of the source under the prompt.
    public func order(_ record: GeneratedImage, image: (String) throws -> RGBImage) throws -> CandidateOrder {
        CandidateOrder(image: try image(record.source ?? ""), prompt: record.prompt, seed: record.seed)
    }

    /// Makes the images by image to image.
    public func maker(_ model: LatentDiffusionModel, hash: String, store: ContentStore) throws -> CandidateMaker {
        CandidateMaker(
            generator: try ImageToImageGenerator(
                model, modelHash: hash, settings: settings.generation),
            store: store, batchSize: settings.batchSize)
    }

    /// Settings, domains and source images.
    public var identity: JSONValue {
        get throws {
            [
                "settings": try JSONValue(encoding: settings), "domains": .array(domains.map(JSONValue.string)),
                "sources": .string(SHA256Sum.of(sources.map(\.name).joined(separator: "\n"))),
            ]
        }
    }

    /// Source images, each in all styles.
    public func layout(rows: Int) -> GenerationLayout {
        layout(rows: rows) { number(source: $0, target: $1) }
    }

    func layout(rows: Int, number: (_ source: Int, _ target: Int) -> Int?) -> GenerationLayout {
        GenerationLayout(
            title: "Generated: \(settings.prompt)",
            rows: GenerationLayout.spread(rows, over: sources.count).map { place in
                GenerationLayout.Row(
                    label: names[sources[place].environment], caption: sources[place].className,
                    source: sources[place].name, numbers: domains.indices.map { number(place, $0) })
            }, columns: ["source"] + domains)
    }
}

extension CrossDomainSettings {
    /// What an image is made with.
    var generation: GenerationSettings {
        GenerationSettings(steps: steps, guidanceScale: guidanceScale, strength: strength)
    }
}

extension [String: String] {
    /// The words for a domain's style.
    /// - Throws: `UserError` where there are none.
    func words(for domain: String) throws -> String {
        guard let words = self[domain] else {
            throw UserError(
                "styles: no words for the style of the domain '\(domain)'; give them (--style \(shellQuoted(domain))=WORDS), or "
                    + "write a prompt without {style}")
        }
        return words
    }
}

extension ImageFolder {
    /// The indices of domains, ascending; all where none is named.
    /// - Throws: `UserError` for a domain that there is not.
    func indices(ofDomains names: [String]) throws -> [Int] {
        names.isEmpty ? Array(environments.indices) : try Set(names.map(environment(named:))).sorted()
    }
}
