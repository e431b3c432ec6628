/// The result of one checkpoint: a line of `results.jsonl` with DomainBed's keys and ours.
public struct CheckpointRow: Sendable, Equatable {
    public let values: [String: JSONValue]

    public init(_ values: [String: JSONValue]) {
        self.values = values
    }

    public var step: Int { values["step"]?.int ?? 0 }

    /// A number of the row.
    public subscript(key: String) -> Double? { values[key]?.double }

    /// Accuracy on an environment's training items (of the held-out one: DomainBed's figure).
    public func trainingAccuracy(_ environment: Int) -> Double? { self["env\(environment)_in_acc"] }
    /// Accuracy on an environment's validation items.
    public func validationAccuracy(_ environment: Int) -> Double? { self["env\(environment)_out_acc"] }
    /// Accuracy on an environment's unseen items.
    public func unseenAccuracy(_ environment: Int) -> Double? { self["env\(environment)_unseen_acc"] }

    /// The mean of a number over environments; nil when one is missing.
    public func mean(_ environments: [Int], _ number: (CheckpointRow) -> (Int) -> Double?) -> Double? {
        let values = environments.compactMap { number(self)($0) }
        guard !environments.isEmpty, values.count == environments.count else { return nil }
        return values.reduce(0, +) / Double(values.count)
    }
}
