import Foundation
import Testing

@testable import Pixels

@Suite struct DrawingTests {
    @Test func linearTicksAreRoundAndInside() {
        let axis = ChartAxis([3, 97], scale: .linear, margin: 0, count: 5)
        #expect(axis.ticks.map(\.label) == ["20", "40", "60", "80"])
        let small = ChartAxis([0.00012, 0.00034], scale: .linear, margin: 0, count: 4)
        #expect(small.ticks.map(\.label) == ["0.00015", "0.00020", "0.00025", "0.00030"])
        let steps = ChartAxis([0, 5000], scale: .linear, margin: 0, count: 5)
        #expect(steps.ticks.map(\.label) == ["0", "1k", "2k", "3k", "4k", "5k"])
        let signed = ChartAxis([-1, 1], scale: .linear, margin: 0, count: 4)
        #expect(signed.ticks.map(\.label) == ["-1.0", "-0.5", "0.0", "0.5", "1.0"])
    }

    @Test func logarithmicTicksArePowers() {
        let axis = ChartAxis([0, -3, 1e-6, 100], scale: .logarithmic, margin: 0, count: 9)
        #expect(
            axis.ticks.map(\.label) == ["1e-06", "1e-05", "1e-04", "0.001", "0.01", "0.1", "1", "10", "100"])
        #expect(axis.fraction(0) == nil)
        #expect(axis.fraction(0.01) == 0.5)
        let narrow = ChartAxis([1, 30], scale: .logarithmic, margin: 0, count: 5)
        #expect(narrow.ticks.map(\.label) == ["1", "2", "5", "10", "20"])
    }

    @Test(arguments: [[], [0], [5, 5], [-2, -2], [.nan, .infinity], [0, 1e300], [0, 1e-300], [1e15, 1e15 + 1]])
    func axesOfOddDataAreUsable(_ values: [Double]) {
        for scale in [AxisScale.linear, .logarithmic] {
            let axis = ChartAxis(values, scale: scale, margin: 0.05, count: 5)
            #expect(axis.low < axis.high)
            #expect(axis.ticks.count < 40)
        }
    }

    @Test func chartsEscapeNamesAndLeaveGaps() throws {
        let chart = LineChart(
            title: "a < b & \"c\"", xLabel: "x", yLabel: "y",
            series: [
                .init("<one>", points: [(0, 1), (1, .nan), (2, 3), (3, 4)], colour: RGB(1, 2, 255)),
                .init("two", points: [(0, 2), (3, 1)]),
            ])
        let svg = chart.svg()
        #expect(svg.contains("a &lt; b &amp; &quot;c&quot;"))
        #expect(svg.contains("&lt;one&gt;"))
        #expect(svg.components(separatedBy: "<polyline").count - 1 == 3)
        #expect(svg.contains("stroke=\"#0102ff\""))
        let image = try chart.image()
        #expect(image.width == 2 * chart.width && image.height == 2 * chart.height)
        let reddish = stride(from: 0, to: image.pixels.count, by: 3).filter {
            image.pixels[$0] == 1 && image.pixels[$0 + 1] == 2 && image.pixels[$0 + 2] == 255
        }
        #expect(reddish.count > 500)
    }

    @Test func emptyChartsSayIt() throws {
        let chart = LineChart(title: "", xLabel: "", yLabel: "", series: [.init("a", points: [])])
        #expect(chart.svg().contains("no data"))
        _ = try chart.image()
    }

    @Test func sheetsShowThePixelsThemselves() throws {
        let image = try Fixtures.ppm("transforms/small.ppm")
        let sheet = try ContactSheet(
            title: "t", rows: [[.init(image, caption: "one"), .init(nil)], [.init(image)]], rowLabels: ["r"],
            columnLabels: ["c", "d"], cellSize: 32
        ).image()
        let large = image.enlarged(8)
        func holds(_ x: Int, _ y: Int) -> Bool {
            sheet[x, y] == large[0, 0] && sheet.cropped(x: x, y: y, width: 32, height: 32) == large
        }
        let found = (0...(sheet.height - 32)).flatMap { y in
            (0...(sheet.width - 32)).filter { holds($0, y) }.map { [$0, y] }
        }
        #expect(found.count == 2)
        #expect(found.first?.first == found.last?.first)
        #expect(try ContactSheet(rows: []).image().width > 0)
    }

    @Test func longTextIsShortened() {
        #expect(SVGDrawing.fitted("short", width: 100, size: 10) == "short")
        let text = SVGDrawing.fitted(String(repeating: "long ", count: 9), width: 60, size: 10)
        #expect(text.hasSuffix("…"))
        #expect(SVGDrawing.width(text, size: 10) <= 60)
    }
}
