import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing

@testable import Experiments

struct ReportPageTests {
    /// Nothing from a file becomes an element, an attribute or a character that HTML forbids.
    @Test func textsAreEscaped() {
        let markup = Markup.tag("p", [("title", "\"'><script>")], [.text("<b>&\u{1}é</b>")])
        #expect(markup.html == "<p title=\"&quot;&#39;&gt;&lt;script&gt;\">&lt;b&gt;&amp;�é&lt;/b&gt;</p>")
        #expect(Markup.tag("img", [("alt", "a")], []).html == "<img alt=\"a\">")
    }

    @Test func axesHaveRoundTicks() {
        let scale = PlotScale([23.4, 31.6], from: 100, to: 500)
        #expect(scale.ticks == [22, 24, 26, 28, 30, 32])
        #expect(scale(22) == 100 && scale(32) == 500 && scale(27) == 300)
        let down = PlotScale([0, 1], from: 500, to: 100)
        #expect(down(0) == 500 && down(1) == 100)
        #expect(PlotScale([3, 3], from: 0, to: 1).ticks.count > 1)
    }

    @Test func plotsAreDrawnWithoutThePage() throws {
        let plot = Plot.forest(title: "t", unit: "points", [.init(label: "a<b", value: 1, margin: 2)])
        #expect(plot.file.contains("a&lt;b") && !plot.file.contains("var(--"))
        let image = try SVGRenderer.render(svg: plot.file, width: Int(plot.width), height: Int(plot.height))
        // The mark is drawn in its colour.
        let pixels = stride(from: 0, to: image.pixels.count, by: 3)
        #expect(pixels.contains { Array(image.pixels[$0..<$0 + 3]) == [0x00, 0x72, 0xB2] })
    }

    /// Runs with names that would be markup; what the page says of them.
    @Test func tellsOfRunsAndImages() throws {
        let folder = try TemporaryFolder()
        try AtomicFile.makeFolder(folder.path("data/sketch/dog"))
        try PNG.write(RGBImage(width: 4, height: 2, fill: RGB(9, 9, 9)), to: folder.path("data/sketch/dog/1.png"))
        func run(_ method: String, seed: Int, right: [Bool]) throws {
            let name = "runs/\(method.filter(\.isLetter))-\(seed)"
            try folder.write(
                "variant: \"\(method)\"\nalgorithm: {name: ERM}\ndata: \(folder.path("data"))\ntestDomains: [sketch]\nseed: \(seed)\n",
                to: "\(name)/config.yaml")
            let share = Double(right.filter { $0 }.count) / Double(right.count)
            let result = """
                {"step": 2, "sourceValidation": 0.5, "targets": {"sketch": {"accuracy": \(share)}}}
                """
            try folder.write(
                """
                {"algorithm": "ERM", "data": "x", "testDomains": ["sketch"], "oracle": false, "seed": \(seed), "steps": 2,
                "selected": \(result), "last": \(result), "totals": {"training_seconds": 90}}
                """, to: "\(name)/summary.json")
            try folder.write(
                right.enumerated().map { index, isRight in
                    """
                    {"image": "sketch/dog/\(index).png", "domain": "sketch", "unseen": false, "class": "dog", \
                    "predicted": "\(isRight ? "dog" : "c<at")", "loss": \(isRight ? 0.1 : 3), "confidence": 0.9}
                    """
                }.joined(separator: "\n") + "\n"
                    + #"{"image": "p/1.png", "domain": "photo", "unseen": false, "class": "dog", "predicted": "dog", "loss": 0}"#
                    + "\n", to: "\(name)/predictions.jsonl")
            let rows = [1, 2].map { step in
                """
                {"step": \(step), "env0_in_acc": 0.9, "env0_out_acc": 0.5, "env1_in_acc": \(share), "env1_out_acc": \(share),
                "args": {"algorithm": "\(method)", "dataset": "x", "test_envs": [1], "trial_seed": \(seed), "hparams_seed": 0,
                "domains": ["photo", "sketch"]}}
                """.replacing("\n", with: " ")
            }
            try folder.write(rows.joined(separator: "\n") + "\n", to: "\(name)/results.jsonl")
            try folder.write("done", to: "\(name)/done")
        }
        for seed in 0..<2 {
            try run("ERM", seed: seed, right: [true, false, false, true])
            try run("<i>new</i>", seed: seed, right: [true, false, true, true])
        }
        let page = try ReportPage(folders: [folder.path("runs")], baseline: "ERM", warn: { _ in })
        let html = page.html
        #expect(!html.contains("<i>") && html.contains("&lt;i&gt;new&lt;/i&gt;") && html.contains("c&lt;at"))
        // No script, and no address outside the page.
        for word in ["<script", "http:", "https:", "url(", "@import"] {
            let found = html.replacing("http://www.w3.org/2000/svg", with: "").contains(word)
            #expect(!found, "\(word)")
        }
        #expect(html.contains("+25.0 ± "))
        #expect(html.contains("dog, wrong in 4 of 4") && html.contains("mostly c&lt;at"))
        #expect(html.contains("data:image/png;base64,"))
        #expect(html.contains("<td>1.5</td>"))  // minutes of training
        for id in ["results", "gains", "steps", "classes", "confusion", "calibration", "cost", "hard"] {
            #expect(html.contains("<section id=\"\(id)\">"), "\(id)")
        }
        // The same runs, the same page; without the baseline, no gains.
        #expect(try ReportPage(folders: [folder.path("runs")], baseline: "ERM", warn: { _ in }).html == html)
        #expect(
            try !ReportPage(folders: [folder.path("runs")], baseline: "none", warn: { _ in }).html.contains(
                "id=\"gains\"")
        )
        try page.writePlots(to: folder.path("plots"))
        #expect(Files.names(in: folder.path("plots"))?.filter { $0.hasSuffix(".png") }.count == 4)
        #expect(throws: UserError.self) {
            try ReportPage(folders: [folder.path("none")], baseline: "ERM", warn: { _ in })
        }
    }
}
