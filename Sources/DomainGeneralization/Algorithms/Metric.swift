/// A number to be logged.
public struct Metric: Sendable, Equatable {
    /// Lower case with underscores, as DomainBed's rows: `loss`, `ld_seconds`.
    public let name: String
    public let value: Double

    public init(_ name: String, _ value: Double) {
        self.name = name
        self.value = value
    }
}
