import Foundations

/// One hyperparameter, in one place: its name, what it means, the values it takes, what a random search draws, DomainBed's
/// name of it, and what in a run it delays.
///
///     static let fields: [Setting<Self>] = [
///         Setting(
///             "penaltyWeight", \.penaltyWeight, "weight of the penalty", .atLeast(0),
///             search: .power(10, -1, 5), domainBed: "irm_lambda"),
///         Setting(
///             "annealSteps", \.annealSteps, "steps without a penalty", .atLeast(0), begins: "the penalty"),
///         Setting("mode", \.mode, "where the gradient comes from"),
///     ]
///
/// Help, `info`, validation, random search and records all come from it; the default is the property's.
public struct Setting<Group: Hyperparameters>: Sendable {
    /// The property's name, by which it is set.
    public let name: String
    /// What it means and the values that it takes: "weight of the penalty; at least 0".
    public let help: String
    /// DomainBed's name, which seeds the draw and names the value in a record.
    public let domainBedName: String
    /// What a random search draws; nil for nothing.
    public private(set) var search: SearchRange?
    /// What begins after as many steps; nil for nothing.
    let phase: String?
    /// The names of an enumeration's values; empty otherwise.
    let choices: [String]
    /// The settings of a group, with their names within it; nil for a single setting.
    let members: (@Sendable (Group) -> [SettingDescription])?
    let property: AnyKeyPath & Sendable
    let check: @Sendable (_ group: Group, _ path: String) throws -> Void

    /// A number, a text, a list or a table.
    /// - Parameters:
    ///   - name: the property's name.
    ///   - value: the property.
    ///   - help: what it means, without the values that it takes: `limit` says them.
    ///   - limit: the values it takes.
    ///   - search: what a random search draws, as published; nil for nothing.
    ///   - domainBedName: by default the same name.
    ///   - standard: DomainBed's default, where it differs from the property's.
    ///   - phase: what begins after as many steps: a run that is shorter gets a warning.
    public init<Value>(
        _ name: String, _ value: KeyPath<Group, Value> & Sendable, _ help: String, _ limit: Limit<Value> = .any,
        search: Draw? = nil, domainBed domainBedName: String? = nil, default standard: JSONValue? = nil,
        begins phase: String? = nil
    ) {
        self.name = name
        self.help = limit.text.isEmpty ? help : "\(help); \(limit.text)"
        self.domainBedName = domainBedName ?? name
        self.search = search.map { SearchRange(name, as: domainBedName, default: standard, $0) }
        self.phase = phase
        choices = []
        members = nil
        property = value
        check = { group, path in
            if let refusal = limit.refusal(group[keyPath: value]) {
                throw UserError("\(path.dotted(name)): \(refusal)")
            }
        }
    }

    /// One of a few values; its help lists them.
    /// - Parameters:
    ///   - search: what a random search draws, as published; nil for nothing.
    ///   - domainBedName: DomainBed's name; by default the same.
    public init<Value: CaseIterable & RawRepresentable>(
        _ name: String, _ value: KeyPath<Group, Value> & Sendable, _ help: String, search: Draw? = nil,
        domainBed domainBedName: String? = nil
    ) where Value.RawValue == String {
        self.name = name
        choices = Value.allCases.map(\.rawValue)
        let list = choices.dropLast().joined(separator: ", ")
        self.help = "\(help): \(list.isEmpty ? "" : "\(list) or ")\(choices.last ?? "")"
        self.domainBedName = domainBedName ?? name
        self.search = search.map { SearchRange(name, as: domainBedName, $0) }
        phase = nil
        members = nil
        property = value
        // The decoder takes no others.
        check = { _, _ in }
    }

    private init<Members: Hyperparameters>(
        group name: String, _ value: KeyPath<Group, Members> & Sendable, _ help: String
    ) {
        self.name = name
        self.help = help
        domainBedName = name
        search = nil
        phase = nil
        choices = []
        members = { Members.described($0[keyPath: value]) }
        property = value
        check = { group, path in try group[keyPath: value].validate(path: path.dotted(name)) }
    }

    /// A group of settings, which are set by name as `NAME.setting`.
    public static func group<Members: Hyperparameters>(
        _ name: String, _ value: KeyPath<Group, Members> & Sendable, _ help: String
    ) -> Setting {
        Setting(group: name, value, help)
    }

    /// The same with another range, and another default, on a family of data sets.
    public func on(_ family: SearchRange.Family, _ draw: Draw, default standard: JSONValue? = nil) -> Setting {
        var result = self
        result.search = search?.on(family, default: standard, draw)
        return result
    }
}
