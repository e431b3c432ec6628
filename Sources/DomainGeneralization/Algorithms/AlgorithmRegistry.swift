import Backbones
import Foundations
import Torch

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
    private let phases: [String: String]
    private let check: @Sendable (JSONValue) throws -> JSONValue
    private let build: @Sendable (JSONValue, AlgorithmContext) throws -> any Algorithm
    private let network: @Sendable (Classifier, Int) -> (Tensor) -> Tensor

    /// - Parameters:
    ///   - predictor: for an algorithm that changes the classifier: changes a fresh one likewise, so that a saved model can
    ///     be loaded into it, and gives what turns images into logits. Takes the run's batch size, too.
    ///   - make: builds the algorithm for a run from its settings.
    public init<Settings: Hyperparameters>(
        _ name: String, _ abstract: String, _ settings: Settings.Type,
        predictor: @escaping @Sendable (Classifier, Int) -> (Tensor) -> Tensor = { classifier, _ in { classifier($0) }
        },
        make: @escaping @Sendable (Settings, AlgorithmContext) throws -> any Algorithm
    ) {
        self.name = name
        self.abstract = abstract
        defaults = (try? JSONValue(encoding: Settings())) ?? .object([:])
        help = Settings.help
        search = Settings.search
        phases = Settings.phases
        let path = "algorithm.hyperparameters"
        check = { try JSONValue(encoding: Settings(changes: $0, path: path)) }
        build = { try make(Settings(changes: $0, path: path), $1) }
        network = predictor
    }

    /// What turns images [N, 3, H, W] into logits [N, classes] with a model that the algorithm trained. To be called before
    /// the model's parameters are loaded into the classifier, which it may change.
    public func predictor(_ classifier: Classifier, batchSize: Int) -> (Tensor) -> Tensor {
        network(classifier, batchSize)
    }

    /// All settings, those of `changes` in the place of the defaults.
    /// - Throws: ``UserError`` for an unknown name or an impossible value.
    public func resolved(_ changes: JSONValue) throws -> JSONValue { try check(changes) }

    /// What never begins in a run of so many steps, one line each.
    public func warnings(_ settings: JSONValue, steps: Int) -> [String] {
        phases.sorted { $0.key < $1.key }.compactMap { setting, what in
            guard let start = settings[setting]?.int, start >= steps else { return nil }
            return "\(name): \(what) begins after step \(start), and the run has \(steps); set "
                + "--set algorithm.hyperparameters.\(setting)=NUMBER or --steps"
        }
    }

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
    public static let standard = AlgorithmRegistry([
        ERM.description,
        ERMPlusPlus.description,
        Fish.description,
        IRM.description,
        GroupDRO.description,
        Mixup.description,
        MLDG.description,
        CORAL.description,
        MMD.description,
        DANN.description,
        CDANN.description,
        MTL.description,
        SagNet.description,
        ARM.description,
        VREx.description,
        RSC.description,
        SD.description,
        SelfReg.description,
        Fishr.description,
        MixStyle.description,
        EFDMix.description,
        FourierMix.description,
        FACT.description,
        MODEF.description,
        MIRO.description,
    ])

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
