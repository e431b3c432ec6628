import Diffusion
import Foundations

/// The latent diffusion models that move images towards domains: one for each domain, fine-tuned on it, or one for all.
///
/// One at a time is in memory.
public final class SourceModels {
    /// The source domains.
    public let domains: [String]
    private let paths: [String: String]
    private let load: (String) throws -> LatentDiffusionModel
    private var loaded: (path: String, model: LatentDiffusionModel)?
    private var hashes: [String: String] = [:]
    private var taught: [String: FineTuningRecord?] = [:]

    /// The models of domains.
    /// - Parameters:
    ///   - domains: the source domains.
    ///   - own: models by domain.
    ///   - shared: the model of every domain that has none of its own.
    ///   - load: reads the model of a name.
    /// - Throws: `UserError` for a domain without a model, or a model for what is no source domain.
    public init(
        domains: [String], own: [String: String], shared: String? = nil,
        load: @escaping (String) throws -> LatentDiffusionModel
    ) throws {
        if let other = own.keys.sorted().first(where: { !domains.contains($0) }) {
            throw UserError(
                "--source-ldm \(other)=…: '\(other)' is none of the source domains (\(domains.joined(separator: ", "))); images are "
                    + "moved towards these alone")
        }
        paths = try Dictionary(
            uniqueKeysWithValues: domains.map { domain in
                guard let path = own[domain] ?? shared else {
                    throw UserError(
                        "no diffusion model of the source domain '\(domain)'; give it with --source-ldm \(domain)=FOLDER "
                            + "('domainfusion ldm finetune --domain \(domain) --prompt \"\"' makes it), or one for all with --ldm"
                    )
                }
                return (domain, path)
            })
        self.domains = domains
        self.load = load
    }

    /// The model of a domain, with the hash of its files.
    /// - Throws: a one-line error for a model that cannot be read.
    public func model(of domain: String) throws -> (model: LatentDiffusionModel, hash: String) {
        let path = paths[domain] ?? ""
        let model: LatentDiffusionModel
        if let loaded, loaded.path == path {
            model = loaded.model
        } else {
            loaded = nil
            model = try load(path)
            loaded = (path, model)
        }
        let hash = try hashes[path] ?? model.fingerprint()
        hashes[path] = hash
        if taught[path] == nil { taught[path] = .some(try model.fineTuning) }
        return (model, hash)
    }

    /// What the models were taught that have been asked for.
    public var prior: PriorWork {
        let isShared = Set(paths.values).count == 1
        return PriorWork(
            models: (isShared ? Array(domains.prefix(1)) : domains).compactMap { domain in
                (taught[paths[domain] ?? ""] ?? nil).map { .init($0, domain: isShared ? nil : domain) }
            })
    }
}
