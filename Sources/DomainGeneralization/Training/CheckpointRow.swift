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

/// Which checkpoint of a run counts.
public enum ModelSelection: String, Sendable, CaseIterable {
    /// The best mean validation accuracy of the source environments; the first of equals.
    case trainingDomain = "training-domain validation"
    /// The last checkpoint, chosen on the held-out environment itself: not a fair figure, reported beside the others.
    case oracle = "test-domain validation (oracle)"

    /// The checkpoint that is chosen.
    public func choose(_ rows: [CheckpointRow], sources: [Int]) -> CheckpointRow? {
        switch self {
        case .oracle: return rows.last
        case .trainingDomain:
            func value(_ row: CheckpointRow) -> Double {
                row.mean(sources, CheckpointRow.validationAccuracy) ?? -.infinity
            }
            return rows.dropFirst().reduce(rows.first) { best, row in
                guard let best else { return row }
                return value(row) > value(best) ? row : best
            }
        }
    }
}
