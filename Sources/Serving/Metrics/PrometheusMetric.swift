import Metrics
import Synchronization

/// One metric with its values.
protocol PrometheusMetric: Sendable {
    /// The word for it in the text.
    static var kind: String { get }

    /// Its lines in the text.
    /// - Parameter labels: in braces, or nothing.
    func lines(name: String, labels: String) -> String
}

/// A number that only grows.
final class PrometheusCounter: PrometheusMetric, CounterHandler {
    static let kind = "counter"
    private let count = Atomic<Int64>(0)

    func increment(by amount: Int64) { count.wrappingAdd(amount, ordering: .relaxed) }

    func reset() { count.store(0, ordering: .relaxed) }

    func lines(name: String, labels: String) -> String { "\(name)\(labels) \(count.load(ordering: .relaxed))\n" }
}

/// A number that grows and shrinks.
final class PrometheusGauge: PrometheusMetric, MeterHandler, RecorderHandler {
    static let kind = "gauge"
    private let number = Mutex(0.0)

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { number.withLock { $0 = value } }
    func increment(by amount: Double) { number.withLock { $0 += amount } }
    func decrement(by amount: Double) { number.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(value) }
    func record(_ value: Double) { set(value) }

    func lines(name: String, labels: String) -> String { "\(name)\(labels) \(number.withLock { $0 })\n" }
}

/// How many values are at most as large as each of some bounds, and their sum.
final class PrometheusHistogram: PrometheusMetric, RecorderHandler, TimerHandler {
    static let kind = "histogram"
    private let bounds: [Double]
    /// The values by bucket, the last for those above all bounds; and their sum.
    private let state: Mutex<(counts: [Int], sum: Double)>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex((Array(repeating: 0, count: bounds.count + 1), 0))
    }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock {
            $0.counts[bucket] += 1
            $0.sum += value
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func lines(name: String, labels: String) -> String {
        let (counts, sum) = state.withLock { $0 }
        var text = ""
        var count = 0
        for (bucket, bound) in (bounds.map { "\($0)" } + ["+Inf"]).enumerated() {
            count += counts[bucket]
            let label = "le=\"\(bound)\""
            let all = labels.isEmpty ? "{\(label)}" : "\(labels.dropLast()),\(label)}"
            text += "\(name)_bucket\(all) \(count)\n"
        }
        return text + "\(name)_sum\(labels) \(sum)\n\(name)_count\(labels) \(count)\n"
    }
}
