import Foundation

/// The settings of an algorithm: a struct with a default for every property, all of which can be set by name.
///
///     struct FourierMixSettings: Hyperparameters {
///         var strength = 1.0
///         static let help = ["strength": "largest share of the other image's amplitude, 0…1"]
///         static let search = [SearchRange("strength", .uniform(0.2, 1))]
///     }
///
/// Only Codable properties that are not optional can be set.
public protocol Hyperparameters: Codable, Sendable {
    init()

    /// What each property means, by its name; shown in help.
    static var help: [String: String] { get }

    /// What begins after a number of steps, by the name of the property that has the number.
    static var phases: [String: String] { get }

    /// What a random search draws, with the ranges as published and DomainBed's names; empty for nothing.
    static var search: [SearchRange] { get }

    /// - Throws: ``UserError`` naming a value that is out of range.
    func validate() throws
}

extension Hyperparameters {
    public static var help: [String: String] { [:] }
    public static var phases: [String: String] { [:] }
    public static var search: [SearchRange] { [] }

    public func validate() throws {}

    /// The defaults with `changes` put over them.
    /// - Parameter path: what errors call the group: `algorithm.hyperparameters`.
    /// - Throws: ``UserError`` for an unknown name (with near misses), a wrong kind of value or one out of range.
    public init(changes: JSONValue, path: String) throws {
        self = try changed(Self(), by: changes, path: path)
        try validate()
    }
}

/// `value` with the settings of `changes` in the place of its own.
/// - Throws: ``UserError`` for an unknown name (with near misses) or a value of the wrong kind.
public func changed<Value: Codable>(_ value: Value, by changes: JSONValue, path: String) throws -> Value {
    let merged = try merge(try JSONValue(encoding: value), changes, path: path, isTable: false)
    do {
        return try merged.decoded()
    } catch let error as DecodingError {
        throw UserError("\(path): \(explanation(of: error, at: path))")
    }
}

/// - Parameter isTable: whether an object without members takes any names; the group of all settings does not.
private func merge(_ base: JSONValue, _ changes: JSONValue, path: String, isTable: Bool = true) throws -> JSONValue {
    switch (base, changes) {
    case (_, .null): return base
    case (.object(let members), .object) where isTable && members.isEmpty: return changes
    case (.object(var members), .object(let new)):
        for (key, change) in new.sorted(by: { $0.key < $1.key }) {
            guard let old = members[key] else {
                throw UserError(
                    "\(path): unknown setting '\(key)'" + suggestion(for: key, among: members.keys.sorted()))
            }
            members[key] = try merge(old, change, path: "\(path).\(key)")
        }
        return .object(members)
    case (.double, .int), (.int, .double): return changes
    default:
        guard base.kindName == changes.kindName || base == .null else {
            throw UserError("\(path): takes \(base.kindName), not \(changes.text)")
        }
        return changes
    }
}

private func explanation(of error: DecodingError, at path: String) -> String {
    switch error {
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
        .dataCorrupted(let context):
        let keys = context.codingPath.map(\.stringValue).joined(separator: ".")
        return "'\(keys)' has a value of the wrong kind (\(context.debugDescription))"
    @unknown default: return "\(error)"
    }
}
