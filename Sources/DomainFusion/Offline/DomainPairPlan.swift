import Diffusion
import DomainGeneralization
import Foundations
import Pixels

/// All images that feedback-guided domain synthesis (FDS) makes before its selection: text to image between the prompts of two
/// domains, for every pair of domains, every class and so many copies.
public struct DomainPairPlan: GenerationPlan {
    /// The settings of the plan.
    public let settings: DomainPairSettings
    /// The pairs of domains, by name.
    public let pairs: [(first: String, second: String)]
    /// The classes' names: those that occur in the domains.
    public let classes: [String]
    /// The folder of the data set.
    public let root: String
    /// What images of each domain are asked for, before the class is named.
    private let templates: [String: String]

    /// The plan of a data set.
    /// - Parameter domains: pairs these domains alone; all by default. Those that a run is to hold out should not be among them.
    /// - Throws: `UserError` for fewer than two domains, one without words for its style, or settings that cannot be.
    public init(_ settings: DomainPairSettings, dataset: ImageFolder, domains chosen: [String] = []) throws {
        try settings.validate(path: "generate")
        self.settings = settings
        root = dataset.root
        let indices = try dataset.indices(ofDomains: chosen)
        let domains = indices.map { dataset.environments[$0] }
        guard domains.count > 1 else {
            throw UserError(
                "domains: \(domains.joined(separator: ", ")) alone makes no pair; name at least two of "
                    + dataset.environments.joined(separator: ", "))
        }
        pairs = domains.indices.flatMap { first in
            domains[(first + 1)...].map { (first: domains[first], second: $0) }
        }
        let labels = Set(dataset.items.filter { indices.contains($0.environment) && !$0.isUnseen }.map(\.label))
        classes = labels.sorted().map { dataset.classes[$0] }
        templates = try Dictionary(
            uniqueKeysWithValues: domains.map { domain in
                let named = Caption.prompt(settings.prompt, domain: domain)
                guard Caption.namesStyle(named) else { return (domain, named) }
                return (domain, Caption.prompt(named, style: try settings.styles.words(for: domain)))
            })
    }

    /// Number of images.
    public var count: Int { pairs.count * classes.count * settings.copies }

    /// The image of a number: pair by pair, class by class.
    public func record(_ number: Int) -> GeneratedImage {
        let (rest, copy) = number.quotientAndRemainder(dividingBy: settings.copies)
        let (pair, label) = rest.quotientAndRemainder(dividingBy: classes.count)
        let (domains, name) = (pairs[pair], classes[label])
        let seed = GeneratedImage.seed("\(settings.seed)", "fds", domains.first, domains.second, name, "\(copy)")
        var draw = SeededGenerator(seed: seed)
        func drawn(_ low: Double, _ high: Double, decimals: Double) -> Double {
            // Rounded as the authors do, but not beyond the bounds.
            min(max((draw.uniform(low, high) * decimals).rounded() / decimals, low), high)
        }
        let weight = drawn(settings.lowestWeight, settings.highestWeight, decimals: 100)
        let guidance = drawn(settings.lowestGuidance, settings.highestGuidance, decimals: 10)
        func prompt(_ domain: String) -> String { Caption.prompt(templates[domain] ?? "", class: name) }
        return GeneratedImage(
            path: "\(GeneratedImage.folder(domains.first, domains.second, className: name))/\(copy).png",
            className: name, domains: domains, copy: copy,
            prompts: (prompt(domains.first), prompt(domains.second)), weight: weight, guidance: guidance, seed: seed)
    }

    /// Text to image between the two prompts.
    public func order(_ record: GeneratedImage, image: (String) throws -> RGBImage) throws -> TextOrder {
        TextOrder(
            TextCondition(
                record.prompt, mixedWith: record.otherPrompt ?? record.prompt, weight: record.weight ?? 1,
                guidanceScale: record.guidance), seed: record.seed)
    }

    /// Makes the images by text to image.
    public func maker(_ model: LatentDiffusionModel, hash: String, store: ContentStore) throws -> ImageMaker<TextOrder>
    {
        ImageMaker(
            generator: try TextToImageGenerator(
                model, modelHash: hash, settings: settings.generation),
            store: store, batchSize: settings.batchSize)
    }

    /// Settings, pairs and classes.
    public var identity: JSONValue {
        get throws {
            [
                "settings": try JSONValue(encoding: settings),
                "pairs": .array(pairs.map { .string("\($0.first), \($0.second)") }),
                "classes": .array(classes.map(JSONValue.string)),
            ]
        }
    }

    /// A row for each of some classes, a column for each pair.
    public func layout(rows: Int) -> GenerationLayout {
        GenerationLayout(
            title: "Generated: \(settings.prompt)",
            rows: GenerationLayout.spread(rows, over: classes.count).map { label in
                GenerationLayout.Row(
                    label: classes[label], caption: "", source: nil,
                    numbers: pairs.indices.map { ($0 * classes.count + label) * settings.copies })
            }, columns: pairs.map { "\($0.first) + \($0.second)" })
    }
}
