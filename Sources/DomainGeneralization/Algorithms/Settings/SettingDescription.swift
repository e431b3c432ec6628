import Foundations

/// A hyperparameter as help shows it.
public struct SettingDescription: Sendable {
    /// The name by which it is set, with those of its groups: `distillation.weight`.
    public let name: String
    /// What it means and the values that it takes.
    public let help: String
    /// The default; nil for a group, whose settings follow it.
    public let value: JSONValue?
    /// The names of an enumeration's values; empty otherwise.
    public let choices: [String]
    /// What records of a run call it.
    public let domainBedName: String
    /// What a random search draws; nil for nothing.
    public let search: SearchRange?
    /// What begins after as many steps; nil for nothing.
    public let phase: String?
    /// The property; for the test that it is the one of the name.
    let property: AnyKeyPath & Sendable

    /// The same as a setting of a group.
    func inside(_ group: String) -> SettingDescription {
        let name = "\(group).\(name)"
        return SettingDescription(
            name: name, help: help, value: value, choices: choices, domainBedName: domainBedName,
            search: search?.of(name), phase: phase, property: property)
    }
}

extension Hyperparameters {
    /// All settings in the order of ``fields``, a group before its members.
    /// - Parameter defaults: what they are where nobody sets them.
    public static func described(_ defaults: Self = Self()) -> [SettingDescription] {
        let values = (try? JSONValue(encoding: defaults)) ?? .object([:])
        return fields.flatMap { field -> [SettingDescription] in
            let own = SettingDescription(
                name: field.name, help: field.help, value: field.members == nil ? values[field.name] ?? .null : nil,
                choices: field.choices, domainBedName: field.domainBedName, search: field.search, phase: field.phase,
                property: field.property)
            return [own] + (field.members?(defaults) ?? []).map { $0.inside(field.name) }
        }
    }
}
