import Foundation
import Foundations

/// The settings of an algorithm or a run, or a group of them: a struct with a default for every property, all of which can be set by
/// name.
///
///     struct FourierMixSettings: Hyperparameters {
///         var strength = 1.0
///
///         static let fields: [Setting<Self>] = [
///             Setting(
///                 "strength", \.strength, "largest share of the other image's amplitude", .within(0...1),
///                 search: .uniform(0.2, 1))
///         ]
///     }
///
/// Only Codable properties that are not optional can be set.
public protocol Hyperparameters: Codable, Sendable {
    /// Every setting at its default.
    init()

    /// The properties, one line each, in the order in which help shows them.
    static var fields: [Setting<Self>] { get }

    /// What several settings must not be together; nothing by default.
    static var rules: [SettingRule<Self>] { get }

    /// What a random search draws of the run's own settings in the place of `[SearchRange].ofRun`; nothing by default.
    static var runSearch: [SearchRange] { get }
}

extension Hyperparameters {
    /// No rule beyond the bounds of each setting.
    public static var rules: [SettingRule<Self>] { [] }
    /// The run's settings are drawn as for any algorithm.
    public static var runSearch: [SearchRange] { [] }

    /// Checks every setting against its bounds, then the rules.
    /// - Parameter path: what errors call the group: `algorithm.hyperparameters`; empty for the settings of a run.
    /// - Throws: `UserError` naming the first value that its field or a rule refuses.
    public func validate(path: String) throws {
        for field in Self.fields { try field.check(self, path) }
        for rule in Self.rules {
            if let refusal = rule.refusal(self) { throw UserError("\(path.dotted(rule.setting)): \(refusal)") }
        }
    }

    /// The defaults with `changes` put over them.
    /// - Parameter path: what errors call the group: `algorithm.hyperparameters`.
    /// - Throws: `UserError` for an unknown name (with near misses), a wrong kind of value or one out of range.
    public init(changes: JSONValue, path: String) throws {
        self = try changed(Self(), by: changes, path: path)
        try validate(path: path)
    }
}

extension String {
    /// The name of a setting of this group.
    func dotted(_ name: String) -> String { isEmpty ? name : "\(self).\(name)" }
}

/// `value` with the settings of `changes` in the place of its own.
/// - Throws: `UserError` for an unknown name (with near misses) or a value of the wrong kind.
public func changed<Value: Codable>(_ value: Value, by changes: JSONValue, path: String) throws -> Value {
    let base = try JSONValue(encoding: value)
    var fractions: [String: Double] = [:]
    let merged = try merge(base, changes, path: path, isTable: false, &fractions)
    do {
        return try merged.decoded()
    } catch let error as DecodingError {
        // The decoder does not say which number should have been whole: the one that cannot be set alone.
        for (name, fraction) in fractions.sorted(by: { $0.key < $1.key }) {
            let keys = name.dropFirst(path.count + 1).split(separator: ".")
            let alone = keys.reversed().reduce(JSONValue.double(fraction)) { .object([String($1): $0]) }
            var none: [String: Double] = [:]
            let changed = try merge(base, alone, path: path, isTable: false, &none)
            guard (try? changed.decoded(as: Value.self)) == nil else { continue }
            throw UserError("\(name): takes a whole number, not \(JSONValue.double(fraction).text)")
        }
        throw UserError("\(path): \(explanation(of: error, at: path))")
    }
}

/// - Parameters:
///   - isTable: whether an object without members takes any names; the group of all settings does not.
///   - fractions: takes up the fractions in the place of what may be whole numbers, by path.
private func merge(
    _ base: JSONValue, _ changes: JSONValue, path: String, isTable: Bool = true, _ fractions: inout [String: Double]
) throws -> JSONValue {
    switch (base, changes) {
    case (_, .null): return base
    case (.object(let members), .object) where isTable && members.isEmpty: return changes
    case (.object(var members), .object(let new)):
        for (key, change) in new.sorted(by: { $0.key < $1.key }) {
            guard let old = members[key] else {
                throw UserError(
                    "\(path): unknown setting '\(key)'" + suggestion(for: key, among: members.keys.sorted()))
            }
            members[key] = try merge(old, change, path: "\(path).\(key)", &fractions)
        }
        return .object(members)
    case (.double, .int): return changes
    case (.int, .double(let value)):
        guard value.isFinite else { throw UserError("\(path): takes a finite number, not \(value)") }
        // A default of 0 may be of either kind.
        if Int(exactly: value) == nil { fractions[path] = value }
        return changes
    case (.double, .double(let value)):
        guard value.isFinite else { throw UserError("\(path): takes a finite number, not \(value)") }
        return changes
    default:
        guard base.kindName == changes.kindName || base == .null else {
            throw UserError("\(path): takes \(base.kindName), not \(changes.text)")
        }
        return changes
    }
}

private func explanation(of error: DecodingError, at path: String) -> String {
    switch error {
    case .dataCorrupted(let context):
        return "\(context.codingPath.map(\.stringValue).joined(separator: ".")): \(context.debugDescription)"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context):
        let keys = context.codingPath.map(\.stringValue).joined(separator: ".")
        return "'\(keys)' has a value of the wrong kind (\(context.debugDescription))"
    @unknown default: return "\(error)"
    }
}
