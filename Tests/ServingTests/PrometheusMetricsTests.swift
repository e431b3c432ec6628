import Metrics
import Testing

@testable import Serving

struct PrometheusMetricsTests {
    @Test("a counter, a gauge and a histogram are written as the text format has them")
    func text() {
        let metrics = PrometheusMetrics()
        metrics.describe("images_total", "Images\nand \\ more.")
        metrics.describe("batch", "Sizes.", bounds: [1, 4])
        for name in ["a\"b", "c"] {
            Counter(label: "images_total", dimensions: [("run", name)], factory: metrics).increment(by: 2)
        }
        Meter(label: "taken", factory: metrics).set(3)
        for size in [1, 3, 9] { Recorder(label: "batch", factory: metrics).record(size) }
        #expect(
            metrics.text == """
                # HELP batch Sizes.
                # TYPE batch histogram
                batch_bucket{le="1.0"} 1
                batch_bucket{le="4.0"} 2
                batch_bucket{le="+Inf"} 3
                batch_sum 13.0
                batch_count 3
                # HELP images_total Images\\nand \\\\ more.
                # TYPE images_total counter
                images_total{run="a\\"b"} 2
                images_total{run="c"} 2
                # TYPE taken gauge
                taken 3.0

                """)
    }

    @Test("the same label and dimensions are the same metric, a timer counts in seconds")
    func identity() {
        let metrics = PrometheusMetrics()
        for _ in 0..<2 {
            Timer(label: "wait.seconds", dimensions: [("run", "a")], factory: metrics).recordMilliseconds(250)
        }
        #expect(metrics.text.contains("wait_seconds_bucket{run=\"a\",le=\"0.25\"} 2\n"))
        #expect(metrics.text.contains("wait_seconds_bucket{run=\"a\",le=\"0.1\"} 0\n"))
        #expect(metrics.text.contains("wait_seconds_sum{run=\"a\"} 0.5\nwait_seconds_count{run=\"a\"} 2\n"))
    }
}
