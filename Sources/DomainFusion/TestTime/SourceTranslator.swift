import Diffusion
import Foundations
import Pixels

/// What moves images towards a source domain: by as much as it noises them first.
///
/// What an image becomes depends on the image, the domain and the noise alone: not on the other images, nor on their order.
public protocol SourceTranslator {
    /// The source domains that images can be moved towards.
    var domains: [String] { get }

    /// A translation of each image.
    /// - Parameters:
    ///   - domain: one of ``domains``.
    ///   - noise: how far the images are noised, a share of the noise schedule above 0 and up to 1.
    ///   - ledger: counts the work that is done.
    ///   - poll: called between batches; what it throws ends the work.
    /// - Throws: a one-line error of a model or the store.
    func translations(
        of images: [RGBImage], towards domain: String, noise: Double, ledger: inout Ledger, poll: () throws -> Void
    ) throws -> [RGBImage]
}

/// Translations by latent diffusion models, one a domain or one for all, that are kept in a store.
public struct LatentTranslator: SourceTranslator {
    /// The source domains that images can be moved towards.
    public let domains: [String]
    private let settings: TranslationSettings
    private let prompts: [String: String]
    private let models: SourceModels
    private let store: ContentStore

    /// A translator towards the domains that the models are for.
    /// - Parameter styles: words for the domains' styles, where the prompt asks for them.
    /// - Throws: `UserError` for settings that cannot be, or a domain without words for its style.
    public init(
        _ settings: TranslationSettings, models: SourceModels, styles: [String: String] = [:], store: ContentStore
    ) throws {
        try settings.validate(path: "translation")
        domains = models.domains
        self.settings = settings
        self.models = models
        self.store = store
        let words = DomainStyles(styles, domains: models.domains)
        let all = try models.domains.map {
            ($0, Caption.prompt(try words.prompt(settings.prompt, domain: $0), domain: $0))
        }
        prompts = Dictionary(uniqueKeysWithValues: all)
    }

    /// The prompts by domain: what evaluations record.
    public var promptsByDomain: [String: String] { prompts }

    /// A translation of each image, of the side that the domain's model makes.
    /// - Throws: a one-line error of a model or the store; what `poll` throws.
    public func translations(
        of images: [RGBImage], towards domain: String, noise: Double, ledger: inout Ledger, poll: () throws -> Void
    ) throws -> [RGBImage] {
        let (model, hash) = try models.model(of: domain)
        let generator = try ShiftInversionGenerator(
            model, modelHash: hash, settings: settings.generation(noise: noise))
        let maker = CandidateMaker(generator: generator, store: store, batchSize: settings.batchSize)
        let orders = images.map { image in
            let sized = image.resized(width: generator.imageSize, height: generator.imageSize)
            // By what the image shows, so that it has the same noise in whichever file and order it comes.
            let text = "\(settings.seed)/translation/\(domain)/\(noise)/\(SHA256Sum.of(sized))"
            let seed = UInt64(SHA256Sum.of(text).prefix(13), radix: 16) ?? 0
            return CandidateOrder(image: sized, prompt: prompts[domain] ?? "", seed: seed)
        }
        return try ledger.time("translation") { try maker.images(orders, ledger: &$0, poll: poll) }
    }
}
