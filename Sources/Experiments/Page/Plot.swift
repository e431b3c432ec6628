import Foundation

/// A plot as SVG: marks with classes that ``PageStyle`` colours.
package struct Plot {
    /// What it shows, in a line, for those who do not see it.
    package let title: String
    let width: Double
    let height: Double
    private(set) var marks: [Markup] = []

    init(title: String, width: Double, height: Double) {
        (self.title, self.width, self.height) = (title, width, height)
    }

    private static func number(_ value: Double) -> String { String(format: "%.1f", value) }

    mutating func line(_ from: (Double, Double), _ to: (Double, Double), _ style: String) {
        marks.append(
            .tag(
                "line",
                [
                    ("class", style), ("x1", Self.number(from.0)), ("y1", Self.number(from.1)),
                    ("x2", Self.number(to.0)), ("y2", Self.number(to.1)),
                ]))
    }

    mutating func polyline(_ points: [(Double, Double)], _ style: String, dashes: String) {
        let text = points.map { "\(Self.number($0.0)),\(Self.number($0.1))" }.joined(separator: " ")
        marks.append(.tag("polyline", [("class", style), ("points", text), ("stroke-dasharray", dashes)]))
    }

    mutating func circle(_ centre: (Double, Double), radius: Double, _ style: String) {
        marks.append(
            .tag(
                "circle",
                [
                    ("class", style), ("cx", Self.number(centre.0)), ("cy", Self.number(centre.1)),
                    ("r", Self.number(radius)),
                ]))
    }

    mutating func rectangle(_ corner: (Double, Double), width: Double, height: Double, _ style: String) {
        marks.append(
            .tag(
                "rect",
                [
                    ("class", style), ("x", Self.number(corner.0)), ("y", Self.number(corner.1)),
                    ("width", Self.number(max(0, width))), ("height", Self.number(height)),
                ]))
    }

    mutating func text(_ text: String, at place: (Double, Double), anchor: String = "start", style: String = "") {
        marks.append(
            .tag(
                "text",
                [
                    ("x", Self.number(place.0)), ("y", Self.number(place.1)), ("text-anchor", anchor),
                    ("class", style),
                ], text))
    }

    /// The plot in a page.
    package var markup: Markup { svg([]) }

    /// The plot as a file of its own.
    var file: String {
        let ground = Markup.tag("rect", [("width", "100%"), ("height", "100%"), ("fill", "#fff")])
        return svg([.tag("style", [], PageStyle.standalone), ground]).html + "\n"
    }

    private func svg(_ before: [Markup]) -> Markup {
        .tag(
            "svg",
            [
                ("xmlns", "http://www.w3.org/2000/svg"), ("width", Self.number(width)),
                ("height", Self.number(height)), ("viewBox", "0 0 \(Self.number(width)) \(Self.number(height))"),
                ("role", "img"),
            ], [.tag("title", [], title)] + before + marks)
    }
}

/// Where a number lies on an axis with round ticks.
struct PlotScale {
    let ticks: [Double]
    private let range: ClosedRange<Double>
    private let place: ClosedRange<Double>

    /// - Parameters:
    ///   - values: what is to fit.
    ///   - place: the axis in the plot, from its first end to its last.
    init(_ values: [Double], from first: Double, to last: Double) {
        let (low, high) = (values.min() ?? 0, values.max() ?? 1)
        let step = Self.step((high - low) / 5)
        let start = (low / step).rounded(.down) * step
        let count = max(1, Int(((high - start) / step).rounded(.up)))
        ticks = (0...count).map { start + Double($0) * step }
        range = start...(start + Double(count) * step)
        place = min(first, last)...max(first, last)
        isReversed = last < first
    }

    private let isReversed: Bool

    /// The round number next above: 1, 2 or 5 times a power of ten.
    private static func step(_ rough: Double) -> Double {
        guard rough > 0, rough.isFinite else { return 1 }
        let power = pow(10, log10(rough).rounded(.down))
        return power * ([1, 2, 5].first { $0 * power >= rough * 0.999 } ?? 10)
    }

    func callAsFunction(_ value: Double) -> Double {
        let share = (value - range.lowerBound) / (range.upperBound - range.lowerBound)
        let length = place.upperBound - place.lowerBound
        return isReversed ? place.upperBound - share * length : place.lowerBound + share * length
    }

    static func text(_ value: Double) -> String { String(format: "%g", (value * 1e6).rounded() / 1e6) }
}
