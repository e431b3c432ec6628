import Foundations

/// The result of one checkpoint: a line of `results.jsonl` with DomainBed's keys and ours.
public struct CheckpointRow: Sendable, Equatable {
    /// Everything in the row, by its keys.
    public let values: [String: JSONValue]

    /// A row of these values.
    public init(_ values: [String: JSONValue]) {
        self.values = values
    }

    /// The step that was evaluated after, 0 where the row has none.
    public var step: Int { values["step"]?.int ?? 0 }

    /// A number of the row.
    public subscript(key: String) -> Double? { values[key]?.double }

    /// A score of an environment.
    public subscript(environment: Int, part: ScoreKey.Part, measure: ScoreKey.Measure) -> Double? {
        self[ScoreKey(environment: environment, part, measure).name]
    }

    /// Accuracy on an environment's training items (of the held-out one: DomainBed's figure).
    public func trainingAccuracy(_ environment: Int) -> Double? { self[environment, .training, .accuracy] }
    /// Accuracy on an environment's validation items.
    public func validationAccuracy(_ environment: Int) -> Double? { self[environment, .validation, .accuracy] }
    /// Accuracy on an environment's unseen items.
    public func unseenAccuracy(_ environment: Int) -> Double? { self[environment, .unseen, .accuracy] }

    /// What the keys of the averaged model's results begin with, in the last row of a run that makes one.
    public static let averagePrefix = "average_"

    /// The averaged model's results in this row, under the keys of a row; nil when there are none.
    public var average: CheckpointRow? {
        let members = values.filter { $0.key.hasPrefix(Self.averagePrefix) }
        guard !members.isEmpty else { return nil }
        var result = Dictionary(
            uniqueKeysWithValues: members.map { (String($0.key.dropFirst(Self.averagePrefix.count)), $0.value) })
        result["step"] = values["step"]
        return CheckpointRow(result)
    }

    /// The mean of a number over the environments that have it; nil when none has.
    public func mean(_ environments: [Int], _ number: (CheckpointRow) -> (Int) -> Double?) -> Double? {
        let values = environments.compactMap { number(self)($0) }
        return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
}
