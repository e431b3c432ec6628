/// An algorithm by name: what the command line, a configuration file and a report know of it.
public struct AlgorithmDescription: Sendable {
    public let name: String
    /// What records of a run call it: DomainBed's name.
    public var domainBedName: String { name == "ERM++" ? "ERMPlusPlus" : name }
    /// One sentence, with the source.
    public let abstract: String
    /// The settings with their default values, an object.
    public let defaults: JSONValue
    /// What each setting means, by its name.
    public let help: [String: String]
    /// What a random search draws of them, and of the run's settings.
    public let search: [SearchRange]
    private let check: @Sendable (JSONValue) throws -> JSONValue
    private let build: @Sendable (JSONValue, AlgorithmContext) throws -> any Algorithm

    /// - Parameter make: builds the algorithm for a run from its settings.
    public init<Settings: Hyperparameters>(
        _ name: String, _ abstract: String, _ settings: Settings.Type,
        make: @escaping @Sendable (Settings, AlgorithmContext) throws -> any Algorithm
    ) {
        self.name = name
        self.abstract = abstract
        defaults = (try? JSONValue(encoding: Settings())) ?? .object([:])
        help = Settings.help
        search = Settings.search
        let path = "algorithm.hyperparameters"
        check = { try JSONValue(encoding: Settings(changes: $0, path: path)) }
        build = { try make(Settings(changes: $0, path: path), $1) }
    }

    /// All settings, those of `changes` in the place of the defaults.
    /// - Throws: ``UserError`` for an unknown name or an impossible value.
    public func resolved(_ changes: JSONValue) throws -> JSONValue { try check(changes) }

    /// The algorithm with these settings, ready for its first update.
    public func make(_ changes: JSONValue, context: AlgorithmContext) throws -> any Algorithm {
        try build(changes, context)
    }
}

/// The algorithms that a program knows. A higher layer adds its own: `AlgorithmRegistry.standard + [.domainFusion]`.
public struct AlgorithmRegistry: Sendable {
    public let algorithms: [AlgorithmDescription]

    public init(_ algorithms: [AlgorithmDescription]) {
        self.algorithms = algorithms
    }

    /// The algorithms without a diffusion model.
    public static let standard = AlgorithmRegistry([ERM.description, FourierMix.description])

    public static func + (registry: AlgorithmRegistry, more: [AlgorithmDescription]) -> AlgorithmRegistry {
        AlgorithmRegistry(registry.algorithms + more)
    }

    /// - Throws: ``UserError`` with near misses.
    public func algorithm(named name: String) throws -> AlgorithmDescription {
        guard let found = algorithms.first(where: { $0.name.lowercased() == name.lowercased() }) else {
            throw UserError("no algorithm '\(name)'" + suggestion(for: name, among: algorithms.map(\.name)))
        }
        return found
    }
}
