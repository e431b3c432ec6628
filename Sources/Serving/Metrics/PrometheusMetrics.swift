import Metrics
import Synchronization

/// Metrics of this process as Prometheus reads them, version 0.0.4 of its text format
/// (https://prometheus.io/docs/instrumenting/exposition_formats).
///
/// Counters and meters (gauges) are what they are called; recorders and timers are histograms, timers in seconds.
///
/// ```swift
/// let metrics = PrometheusMetrics()
/// metrics.describe("images_total", "Images that were classified.")
/// Counter(label: "images_total", dimensions: [("run", "erm")], factory: metrics).increment()
/// print(metrics.text)
/// ```
public final class PrometheusMetrics: MetricsFactory, Sendable {
    /// What tells a metric of a family from the others: `{run="erm",status="200"}`, or nothing.
    typealias Labels = String

    /// All metrics of one name.
    private struct Family {
        var help: String?
        var bounds: [Double]?
        var kind: String?
        var metrics: [Labels: any PrometheusMetric] = [:]
    }

    private let families = Mutex<[String: Family]>([:])

    /// The upper bounds of a histogram's buckets that ``describe(_:_:bounds:)`` gives none: 1 ms … 30 s.
    static let secondBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    /// A place without metrics.
    public init() {}

    /// Says what a metric is, before it is first used.
    /// - Parameters:
    ///   - name: the metric's label.
    ///   - help: one sentence.
    ///   - bounds: of a histogram, the upper bounds of its buckets, ascending; by default seconds.
    public func describe(_ name: String, _ help: String, bounds: [Double]? = nil) {
        families.withLock {
            $0[name, default: Family()].help = help
            $0[name]?.bounds = bounds
        }
    }

    /// All metrics that have been used, by name.
    public var text: String {
        let families = families.withLock { $0 }
        return families.sorted { $0.key < $1.key }.map { name, family in
            guard let kind = family.kind else { return "" }
            let help = family.help.map { "# HELP \(name) \(escaped($0))\n" } ?? ""
            let lines = family.metrics.sorted { $0.key < $1.key }.map { $1.lines(name: name, labels: $0) }
            return "\(help)# TYPE \(name) \(kind)\n\(lines.joined())"
        }.joined()
    }

    /// The metric of a name and labels, made where there is none.
    private func metric<Metric: PrometheusMetric>(
        _ label: String, _ dimensions: [(String, String)], _ make: (_ bounds: [Double]) -> Metric
    ) -> Metric {
        let name = Self.name(label)
        let labels = Self.labels(dimensions)
        return families.withLock { families in
            let family = families[name] ?? Family()
            if let found = family.metrics[labels] as? Metric { return found }
            precondition(family.kind ?? Metric.kind == Metric.kind, "\(name) is a \(family.kind ?? "") already")
            let made = make(family.bounds ?? Self.secondBounds)
            families[name, default: Family()].kind = Metric.kind
            families[name]?.metrics[labels] = made
            return made
        }
    }

    /// A name of letters, digits, `_` and `:`.
    private static func name(_ label: String) -> String {
        String(label.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") ? $0 : "_" })
    }

    private static func labels(_ dimensions: [(String, String)]) -> Labels {
        guard !dimensions.isEmpty else { return "" }
        return "{" + dimensions.map { "\(name($0.0))=\"\(escaped($0.1, quotes: true))\"" }.joined(separator: ",") + "}"
    }

    /// A counter, which only grows.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        metric(label, dimensions) { _ in PrometheusCounter() }
    }

    /// A gauge, which grows and shrinks.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        metric(label, dimensions) { _ in PrometheusGauge() }
    }

    /// A histogram of values; a gauge where values are not to be aggregated.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate
            ? metric(label, dimensions) { PrometheusHistogram(bounds: $0) }
            : metric(label, dimensions) { _ in PrometheusGauge() }
    }

    /// A histogram of seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        metric(label, dimensions) { PrometheusHistogram(bounds: $0) }
    }

    /// Does nothing: what was counted stays.
    public func destroyCounter(_ handler: any CounterHandler) {}
    /// Does nothing: what was measured stays.
    public func destroyMeter(_ handler: any MeterHandler) {}
    /// Does nothing: what was recorded stays.
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Does nothing: what was timed stays.
    public func destroyTimer(_ handler: any TimerHandler) {}
}

/// Text with backslashes and line feeds, and in labels quotes, as the format has them.
private func escaped(_ text: String, quotes: Bool = false) -> String {
    let lines = text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
    return quotes ? lines.replacing("\"", with: "\\\"") : lines
}
