import Experiments
import Foundation
import Foundations
import Metrics

/// What a server of predictions counts and times.
final class PredictionMetrics: Sendable {
    private let text: PrometheusMetrics
    private let ready: Meter
    private let taken: Meter
    private let memory: Meter
    /// By run.
    private let runs: [RunMetrics]

    /// What is counted for one run.
    private struct RunMetrics: Sendable {
        let classified: Counter
        let unreadable: Counter
        let decoding: Timer
        let waiting: Timer
        let passes: Timer
        let batches: Recorder
    }

    init(runs names: [String], in metrics: PrometheusMetrics) {
        text = metrics
        for (name, help) in [
            ("http_requests_total", "Requests that were answered, by path and status."),
            ("http_request_seconds", "From a request's head to its answer, by path."),
            ("domainfusion_images_total", "Images that were answered, by run and result."),
            ("domainfusion_decode_seconds", "Decoding and scaling of an image, by run."),
            ("domainfusion_wait_seconds", "From a decoded image to its pass of the network, by run."),
            ("domainfusion_network_seconds", "One pass of the network, by run."),
            ("domainfusion_images_in_progress", "Images that are read, decoded, waiting or in the network now."),
            ("domainfusion_ready", "1 once all models are loaded, before that 0."),
            ("domainfusion_info", "The program's version, as a label."),
            ("process_resident_memory_bytes", "Memory of the process that is in RAM."),
            ("process_start_time_seconds", "When the process began to serve, in seconds since 1970."),
        ] { metrics.describe(name, help) }
        metrics.describe(
            "domainfusion_batch_images", "Images in one pass of the network, by run.",
            bounds: [1, 2, 4, 8, 16, 32, 64, 128])

        func meter(_ name: String, _ labels: [(String, String)] = []) -> Meter {
            Meter(label: name, dimensions: labels, factory: metrics)
        }
        ready = meter("domainfusion_ready")
        taken = meter("domainfusion_images_in_progress")
        memory = meter("process_resident_memory_bytes")
        meter("domainfusion_info", [("version", toolkitVersion)]).set(1)
        meter("process_start_time_seconds").set(Date().timeIntervalSince1970.rounded())
        ready.set(0)
        taken.set(0)
        runs = names.map { name in
            func timer(_ label: String) -> Timer {
                Timer(label: label, dimensions: [("run", name)], factory: metrics)
            }
            func images(_ result: String) -> Counter {
                Counter(
                    label: "domainfusion_images_total", dimensions: [("run", name), ("result", result)],
                    factory: metrics)
            }
            return RunMetrics(
                classified: images("classified"), unreadable: images("unreadable"),
                decoding: timer("domainfusion_decode_seconds"), waiting: timer("domainfusion_wait_seconds"),
                passes: timer("domainfusion_network_seconds"),
                batches: Recorder(
                    label: "domainfusion_batch_images", dimensions: [("run", name)], aggregate: true, factory: metrics))
        }
    }

    func isReady() { ready.set(1) }
    func inProgress(_ count: Int) { taken.set(count) }
    func classified(run: Int) { runs[run].classified.increment() }
    func unreadable(run: Int) { runs[run].unreadable.increment() }
    func decoded(run: Int, duration: Duration) { runs[run].decoding.recordNanoseconds(duration.nanoseconds) }
    func waited(run: Int, duration: Duration) { runs[run].waiting.recordNanoseconds(duration.nanoseconds) }

    func passed(run: Int, images: Int, duration: Duration) {
        runs[run].passes.recordNanoseconds(duration.nanoseconds)
        runs[run].batches.record(images)
    }

    /// All metrics in Prometheus's text format.
    func exposition() -> String {
        // The second number of the file is the pages in RAM.
        if let pages = Files.contents("/proc/self/statm")
            .flatMap({ String(decoding: $0, as: UTF8.self).split(separator: " ").dropFirst().first }).flatMap({
                Int($0)
            })
        {
            memory.set(pages * Int(getpagesize()))
        }
        return text.text
    }
}
