/// A number to be logged.
public struct Metric: Sendable, Equatable {
    /// What becomes of the values of many steps.
    public enum Kind: Sendable, Equatable {
        /// Their mean since the last checkpoint: losses.
        case mean
        /// Their sum over the whole run: seconds, images generated.
        case total
    }

    /// Lower case with underscores, as DomainBed's rows: `loss`, `ld_seconds`.
    public let name: String
    /// The number of this step.
    public let value: Double
    /// What becomes of the values of many steps.
    public let kind: Kind

    /// A number under a name, by default one whose mean is logged.
    public init(_ name: String, _ value: Double, _ kind: Kind = .mean) {
        self.name = name
        self.value = value
        self.kind = kind
    }
}

extension [Metric] {
    /// Those of the parts of one step as the step's: means of numbers whose mean is logged, sums of the others.
    static func combined(_ parts: [[Metric]]) -> [Metric] {
        guard parts.count > 1 else { return parts.first ?? [] }
        let all = parts.joined()
        return (parts.first ?? []).map { metric in
            let sum = all.filter { $0.name == metric.name }.map(\.value).reduce(0, +)
            return Metric(metric.name, metric.kind == .mean ? sum / Double(parts.count) : sum, metric.kind)
        }
    }
}

/// Metrics of many steps; saved with a checkpoint, so that a resumed run logs the same numbers.
public struct MetricSums: Sendable, Equatable, Codable {
    private var sums: [String: Double] = [:]
    private var counts: [String: Int] = [:]
    /// Sums over the whole run.
    public private(set) var totals: [String: Double] = [:]

    /// Sums of nothing so far.
    public init() {}

    /// Adds the metrics of one step.
    public mutating func add(_ metrics: [Metric]) {
        for metric in metrics {
            switch metric.kind {
            case .mean:
                sums[metric.name, default: 0] += metric.value
                counts[metric.name, default: 0] += 1
            case .total: totals[metric.name, default: 0] += metric.value
            }
        }
    }

    /// Means since the last call of ``startOver()``.
    public var means: [String: Double] {
        sums.reduce(into: [:]) { $0[$1.key] = $1.value / Double(counts[$1.key] ?? 1) }
    }

    /// Forgets the means; totals go on.
    public mutating func startOver() {
        sums = [:]
        counts = [:]
    }
}
