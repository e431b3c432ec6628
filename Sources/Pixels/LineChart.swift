import Foundation

/// A line chart for people: titled axes with round ticks, a light grid, named and coloured series.
///
/// ```swift
/// let chart = LineChart(
///     title: "Accuracy on sketch", xLabel: "step", yLabel: "accuracy (%)",
///     series: [.init("ERM", points: [(0, 20), (300, 61)]), .init("SWAD", points: [(0, 20), (300, 66)])])
/// try chart.write(to: "accuracy.png")
/// ```
public struct LineChart: Sendable {
    /// A named line.
    public struct Series: Sendable {
        /// What the legend calls the line.
        public var name: String
        /// The points in drawing order; a number that is not finite leaves a gap.
        public var points: [(x: Double, y: Double)]
        /// The colour, or nil for the next of ``LineChart/palette``.
        public var colour: RGB?

        /// A line through points, in a colour of its own or the next of the palette.
        public init(_ name: String, points: [(x: Double, y: Double)], colour: RGB? = nil) {
            self.name = name
            self.points = points
            self.colour = colour
        }
    }

    /// Colours that stay apart for most kinds of colour vision.
    public static let palette = [
        RGB(0x00, 0x72, 0xB2), RGB(0xD5, 0x5E, 0x00), RGB(0x00, 0x9E, 0x73), RGB(0xCC, 0x79, 0xA7),
        RGB(0xE6, 0x9F, 0x00), RGB(0x56, 0xB4, 0xE9), RGB(0x55, 0x55, 0x55), RGB(0x8C, 0x56, 0x4B),
    ]

    /// The line above the chart.
    public var title: String
    /// What the horizontal axis counts, with its unit.
    public var xLabel: String
    /// What the vertical axis counts, with its unit.
    public var yLabel: String
    /// The lines in drawing order; the legend names them in this order.
    public var series: [Series]
    /// How horizontal places are spaced.
    public var xScale: AxisScale
    /// How vertical places are spaced.
    public var yScale: AxisScale
    /// The size in points; a PNG has twice as many pixels.
    public var width: Int
    /// The height in points; a PNG has twice as many pixels.
    public var height: Int

    /// A chart of these lines; both axes hold all their points.
    public init(
        title: String, xLabel: String, yLabel: String, series: [Series], xScale: AxisScale = .linear,
        yScale: AxisScale = .linear, width: Int = 720, height: Int = 440
    ) {
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.series = series
        self.xScale = xScale
        self.yScale = yScale
        self.width = max(width, 240)
        self.height = max(height, 160)
    }

    /// The chart as SVG text.
    public func svg() -> String {
        let layout = Layout(self)
        var drawing = SVGDrawing(width: width, height: height)
        drawGrid(layout, &drawing)
        if !series.contains(where: { !paths($0, layout).isEmpty }) {
            let (x, y) = ((layout.left + layout.right) / 2, (layout.top + layout.bottom) / 2)
            drawing.write("no data", x: x, y: y, size: 14, anchor: .middle, colour: "#999999")
        }
        for (index, line) in series.enumerated() { draw(line, colour(index), layout, &drawing) }
        if layout.hasLegend { drawLegend(layout, &drawing) }
        return drawing.text
    }

    /// The chart as an image of twice its size in points.
    ///
    /// - Throws: ``ImageError`` if it cannot be drawn.
    public func image() throws -> RGBImage {
        try SVGRenderer.render(svg: svg(), width: width * 2, height: height * 2)
    }

    /// Writes the chart as a PNG file.
    ///
    /// - Throws: ``ImageError`` if the file cannot be written.
    public func write(to path: String) throws {
        try PNG.write(image(), to: path)
    }

    private func colour(_ index: Int) -> String {
        (series[index].colour ?? Self.palette[index % Self.palette.count]).hex
    }

    /// Where things are, in points.
    private struct Layout {
        let x: ChartAxis
        let y: ChartAxis
        let left, right, top, bottom: Double
        let hasLegend: Bool

        init(_ chart: LineChart) {
            let points = chart.series.flatMap(\.points)
            let height = Double(chart.height)
            top = chart.title.isEmpty ? 18 : 46
            bottom = height - (chart.xLabel.isEmpty ? 32 : 52)
            y = ChartAxis(points.map(\.y), scale: chart.yScale, margin: 0.04, count: max(2, Int((bottom - top) / 55)))
            hasLegend = chart.series.count > 1
            let names = chart.series.map { SVGDrawing.width($0.name, size: 12) }.max() ?? 0
            let legend = hasLegend ? min(names, Double(chart.width) * 0.3) + 52 : 20
            right = Double(chart.width) - legend
            let labels = y.ticks.map { SVGDrawing.width($0.label, size: 11) }.max() ?? 0
            left = labels + (chart.yLabel.isEmpty ? 18 : 42)
            x = ChartAxis(points.map(\.x), scale: chart.xScale, margin: 0.015, count: max(2, Int((right - left) / 80)))
        }

        func place(_ point: (x: Double, y: Double)) -> (x: Double, y: Double)? {
            guard let h = x.fraction(point.x), let v = y.fraction(point.y) else { return nil }
            return (left + h * (right - left), bottom - v * (bottom - top))
        }
    }

    private func drawGrid(_ layout: Layout, _ drawing: inout SVGDrawing) {
        drawing.write(title, x: layout.left, y: 28, size: 16, isBold: true, colour: "#222222")
        for tick in layout.y.ticks {
            guard let fraction = layout.y.fraction(tick.value) else { continue }
            let y = layout.bottom - fraction * (layout.bottom - layout.top)
            drawing.line(layout.left, y, layout.right, y, colour: "#e5e5e5")
            drawing.write(tick.label, x: layout.left - 7, y: y + 4, size: 11, anchor: .end, colour: "#666666")
        }
        for tick in layout.x.ticks {
            guard let fraction = layout.x.fraction(tick.value) else { continue }
            let x = layout.left + fraction * (layout.right - layout.left)
            drawing.line(x, layout.top, x, layout.bottom, colour: "#f0f0f0")
            drawing.line(x, layout.bottom, x, layout.bottom + 4, colour: "#999999")
            drawing.write(tick.label, x: x, y: layout.bottom + 18, size: 11, anchor: .middle, colour: "#666666")
        }
        drawing.line(layout.left, layout.bottom, layout.right, layout.bottom, colour: "#999999")
        let middle = (layout.left + layout.right) / 2
        drawing.write(xLabel, x: middle, y: Double(height) - 12, size: 12, anchor: .middle)
        let centre = (layout.top + layout.bottom) / 2
        drawing.write(yLabel, x: 18, y: centre, size: 12, anchor: .middle, isUpward: true)
    }

    /// The points of a line in places on the drawing, split at its gaps.
    private func paths(_ line: Series, _ layout: Layout) -> [[(x: Double, y: Double)]] {
        line.points.reduce(into: [[]]) { runs, point in
            if let place = layout.place(point) {
                runs[runs.count - 1].append(place)
            } else if !runs[runs.count - 1].isEmpty {
                runs.append([])
            }
        }.filter { !$0.isEmpty }
    }

    private func draw(_ line: Series, _ colour: String, _ layout: Layout, _ drawing: inout SVGDrawing) {
        func text(_ place: (x: Double, y: Double)) -> String {
            "\(SVGDrawing.number(place.x)),\(SVGDrawing.number(place.y))"
        }
        let hasDots = line.points.count <= 25
        for path in paths(line, layout) {
            drawing.add(
                """
                <polyline points="\(path.map(text).joined(separator: " "))" fill="none" stroke="\(colour)" \
                stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/>
                """)
            for place in path where hasDots || path.count == 1 {
                drawing.add(
                    """
                    <circle cx="\(SVGDrawing.number(place.x))" cy="\(SVGDrawing.number(place.y))" r="3" \
                    fill="\(colour)" stroke="#ffffff" stroke-width="1"/>
                    """)
            }
        }
    }

    private func drawLegend(_ layout: Layout, _ drawing: inout SVGDrawing) {
        let room = Double(width) - layout.right - 48
        for (index, line) in series.enumerated() {
            let y = layout.top + 8 + Double(index) * 20
            drawing.line(layout.right + 12, y, layout.right + 30, y, colour: colour(index), width: 3)
            let name = SVGDrawing.fitted(line.name, width: room, size: 12)
            drawing.write(name, x: layout.right + 36, y: y + 4, size: 12)
        }
    }
}
