import DomainGeneralization
import Foundations

/// What a sweep compares: an algorithm as it is, or a variant: one with settings of its own and a name for the tables.
public struct SweepMethod: Sendable, Equatable {
    /// The algorithm's name in the registry.
    public let algorithm: String
    /// The variant's name; empty for the algorithm as it is.
    public let variant: String
    /// Settings of the variant, over those of the sweep.
    public let changes: JSONValue
    /// The file of the settings, for messages.
    let source: String

    /// An algorithm as it is.
    public init(algorithm: String) {
        self.algorithm = algorithm
        variant = ""
        changes = .object([:])
        source = ""
    }

    private init(variant: String, changes: JSONValue, source: String) throws {
        guard let algorithm = changes["algorithm"]?["name"]?.string else {
            throw UserError("\(source).\(variant): which algorithm? Write algorithm: {name: ERM, hyperparameters: {…}}")
        }
        for name in ["preset", "draw"] where changes[name] != nil {
            throw UserError(
                "\(source).\(variant): \(name) would only be recorded; give the sweep --\(name)s or --\(name)")
        }
        self.algorithm = algorithm
        self.variant = variant
        self.changes = changes
        self.source = "\(source).\(variant)"
    }

    /// The variants in a YAML file: names, and settings as in a run's `config.yaml`; in the order of their names.
    /// - Throws: `UserError` for a file that cannot be read, or a variant without an algorithm.
    public static func variants(in path: String) throws -> [SweepMethod] {
        guard let members = try YAML.read(path).object, !members.isEmpty else {
            throw UserError("\(path): no variants in it; write NAME: {algorithm: {name: ERM}} for each")
        }
        return try members.sorted { $0.key < $1.key }.map {
            try SweepMethod(variant: $0.key, changes: $0.value, source: path)
        }
    }
}
