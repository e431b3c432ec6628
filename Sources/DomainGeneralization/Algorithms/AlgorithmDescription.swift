import Backbones
import Foundations
import Torch

/// An algorithm by name: what the command line, a configuration file and a report know of it.
public struct AlgorithmDescription: Sendable {
    /// What it is called on the command line and in tables.
    public let name: String
    /// What records of a run call it.
    public let domainBedName: String
    /// One sentence, with the source.
    public let abstract: String
    /// The address of the paper that it comes from; nil for one that is not published.
    public let paper: String?
    /// The settings with their default values, an object.
    public let defaults: JSONValue
    private let describe: @Sendable () -> [SettingDescription]
    private let runSearch: @Sendable () -> [SearchRange]
    private let check: @Sendable (JSONValue) throws -> JSONValue
    private let build: @Sendable (JSONValue, AlgorithmContext) throws -> any Algorithm
    private let network: @Sendable (JSONValue, Classifier, Int) throws -> (ClassifierInput) -> Tensor

    /// An entry of the registry: how an algorithm is named, explained, set and made.
    /// - Parameters:
    ///   - paper: the address of the paper that it comes from.
    ///   - domainBedName: DomainBed's name, where it differs.
    ///   - predictor: for an algorithm that changes the classifier: changes a fresh one likewise, so that a saved model can
    ///     be loaded into it, and gives what turns images into logits. Takes the settings and the run's batch size, too.
    ///   - make: builds the algorithm for a run from its settings.
    public init<Settings: Hyperparameters>(
        _ name: String, _ abstract: String, paper: String? = nil, domainBed domainBedName: String? = nil,
        _ settings: Settings.Type,
        predictor: @escaping @Sendable (Settings, Classifier, Int) -> (ClassifierInput) -> Tensor = {
            _, classifier, _ in { classifier($0) }
        },
        make: @escaping @Sendable (Settings, AlgorithmContext) throws -> any Algorithm
    ) {
        self.name = name
        self.abstract = abstract
        self.paper = paper
        self.domainBedName = domainBedName ?? name
        defaults = (try? JSONValue(encoding: Settings())) ?? .object([:])
        describe = { Settings.described() }
        runSearch = { Settings.runSearch }
        let path = "algorithm.hyperparameters"
        check = { try JSONValue(encoding: Settings(changes: $0, path: path)) }
        build = { try make(Settings(changes: $0, path: path), $1) }
        network = { predictor(try Settings(changes: $0, path: path), $1, $2) }
    }

    /// The settings with their help and defaults, a group before its members.
    public var settings: [SettingDescription] { describe() }

    /// What a random search draws of the settings, and of the run's in the place of the common ranges.
    public var search: [SearchRange] { runSearch() + settings.compactMap(\.search) }

    /// What turns images [N, 3, H, W] into logits [N, classes] with a model that the algorithm trained. To be called before
    /// the model's parameters are loaded into the classifier, which it may change.
    /// - Parameter changes: the run's settings of the algorithm.
    /// - Throws: `UserError` for settings that the algorithm does not take.
    public func predictor(
        _ changes: JSONValue, _ classifier: Classifier, batchSize: Int
    ) throws -> (ClassifierInput) -> Tensor {
        try network(changes, classifier, batchSize)
    }

    /// All settings, those of `changes` in the place of the defaults.
    /// - Throws: `UserError` for an unknown name or an impossible value.
    public func resolved(_ changes: JSONValue) throws -> JSONValue { try check(changes) }

    /// What never begins in a run of so many steps, one line each.
    public func warnings(_ values: JSONValue, steps: Int) -> [String] {
        let values = values.flattened()
        return settings.sorted { $0.name < $1.name }.compactMap { setting in
            guard let phase = setting.phase, let start = values[setting.name], let number = start.double,
                number >= Double(steps)
            else { return nil }
            return "\(name): \(phase) begins after step \(start.text), and the run has \(steps); set "
                + "--set algorithm.hyperparameters.\(setting.name)=NUMBER or --steps"
        }
    }

    /// The algorithm with these settings, ready for its first update.
    public func make(_ changes: JSONValue, context: AlgorithmContext) throws -> any Algorithm {
        try build(changes, context)
    }
}
