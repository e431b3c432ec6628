import Foundation

extension Plot {
    /// A mean with the half of its interval, a row of a forest plot.
    struct Estimate {
        let label: String
        let value: Double
        let margin: Double
    }

    /// Estimates one below the other, with their intervals and a line at zero.
    static func forest(title: String, unit: String, _ estimates: [Estimate]) -> Plot {
        let (left, right, row) = (240.0, 120.0, 26.0)
        var plot = Plot(title: title, width: 720, height: row * Double(estimates.count) + 48)
        let scale = PlotScale(
            [0] + estimates.flatMap { [$0.value - $0.margin, $0.value + $0.margin] }, from: left,
            to: plot.width - right)
        let bottom = row * Double(estimates.count) + 8
        for tick in scale.ticks {
            plot.line((scale(tick), 4), (scale(tick), bottom), "grid")
            plot.text(PlotScale.text(tick), at: (scale(tick), bottom + 16), anchor: "middle", style: "soft")
        }
        plot.line((scale(0), 4), (scale(0), bottom), "zero")
        for (index, estimate) in estimates.enumerated() {
            let y = row * (Double(index) + 0.5) + 6
            plot.text(shortened(estimate.label, 34), at: (left - 10, y + 4), anchor: "end")
            plot.line((scale(estimate.value - estimate.margin), y), (scale(estimate.value + estimate.margin), y), "s0")
            plot.circle((scale(estimate.value), y), radius: 4, "f0")
            plot.text(
                String(format: "%+.1f ± %.1f", estimate.value, estimate.margin),
                at: (plot.width - right + 10, y + 4))
        }
        plot.text(unit, at: ((left + plot.width - right) / 2, bottom + 34), anchor: "middle", style: "soft")
        return plot
    }

    /// A named line.
    package struct Series: Sendable {
        package let label: String
        package let points: [(x: Double, y: Double)]

        package init(label: String, points: [(x: Double, y: Double)]) {
            (self.label, self.points) = (label, points)
        }
    }

    /// Dashes tell lines apart where colours do not.
    private static let dashes = ["none", "7 3", "2 3", "9 3 2 3", "none", "7 3", "2 3", "9 3 2 3"]

    /// Lines over an axis, with a legend.
    /// - Parameter reference: a line without points that the others are held against.
    package static func lines(
        title: String, x xLabel: String, y yLabel: String, _ series: [Series], reference: Series? = nil
    ) -> Plot {
        let (left, right, top, below) = (52.0, 220.0, 30.0, 44.0)
        let height = max(280, 80 + 20 * Double(series.count))
        var plot = Plot(title: title, width: 720, height: height)
        let points = (series + [reference].compactMap { $0 }).flatMap(\.points)
        let x = PlotScale(points.map(\.x), from: left, to: plot.width - right)
        let y = PlotScale(points.map(\.y), from: plot.height - below, to: top)
        for tick in y.ticks {
            plot.line((left, y(tick)), (plot.width - right, y(tick)), "grid")
            plot.text(PlotScale.text(tick), at: (left - 6, y(tick) + 4), anchor: "end", style: "soft")
        }
        for tick in x.ticks {
            plot.text(PlotScale.text(tick), at: (x(tick), plot.height - below + 18), anchor: "middle", style: "soft")
        }
        plot.line((left, plot.height - below), (plot.width - right, plot.height - below), "axis")
        plot.text(xLabel, at: ((left + plot.width - right) / 2, plot.height - 6), anchor: "middle", style: "soft")
        plot.text(yLabel, at: (4, 14), style: "soft")
        for (index, line) in series.enumerated() {
            let (colour, dash) = (index % PageStyle.series.count, dashes[index % dashes.count])
            plot.polyline(line.points.map { (x($0.x), y($0.y)) }, "s\(colour)", dashes: dash)
            for point in line.points { plot.circle((x(point.x), y(point.y)), radius: 2.5, "f\(colour)") }
            let row = top + 20 * Double(index)
            plot.polyline(
                [(plot.width - right + 14, row), (plot.width - right + 42, row)], "s\(colour)", dashes: dash)
            plot.text(shortened(line.label, 24), at: (plot.width - right + 48, row + 4))
        }
        if let reference {
            let row = top + 20 * Double(series.count)
            for (from, to) in zip(reference.points, reference.points.dropFirst()) {
                plot.line((x(from.x), y(from.y)), (x(to.x), y(to.y)), "zero")
            }
            plot.line((plot.width - right + 14, row), (plot.width - right + 42, row), "zero")
            plot.text(shortened(reference.label, 24), at: (plot.width - right + 48, row + 4))
        }
        return plot
    }

    /// Bars of several series, in groups one below the other; all from 0 to 100.
    package static func bars(title: String, groups: [String], _ series: [(label: String, values: [Double?])]) -> Plot {
        let (left, right, bar) = (130.0, 230.0, 11.0)
        let row = bar * Double(series.count) + 10
        var plot = Plot(
            title: title, width: 720, height: max(row * Double(groups.count) + 34, 20 * Double(series.count) + 20))
        let scale = PlotScale([0, 100], from: left, to: plot.width - right)
        let bottom = row * Double(groups.count) + 4
        for tick in scale.ticks {
            plot.line((scale(tick), 2), (scale(tick), bottom), "grid")
            plot.text(PlotScale.text(tick), at: (scale(tick), bottom + 16), anchor: "middle", style: "soft")
        }
        for (index, group) in groups.enumerated() {
            let y = row * Double(index) + 4
            plot.text(shortened(group, 20), at: (left - 8, y + row / 2), anchor: "end")
            for (number, line) in series.enumerated() {
                guard let value = line.values[index] else { continue }
                plot.rectangle(
                    (left, y + bar * Double(number)), width: scale(value) - left, height: bar - 2,
                    "f\(number % PageStyle.series.count)")
            }
        }
        for (number, line) in series.enumerated() {
            let y = 8 + 20 * Double(number)
            plot.rectangle((plot.width - right + 20, y), width: 12, height: 12, "f\(number % PageStyle.series.count)")
            plot.text(shortened(line.label, 26), at: (plot.width - right + 38, y + 11))
        }
        return plot
    }

    /// A point that belongs to a group; a marked one is a square.
    struct Mark {
        let x: Double, y: Double
        let group: String
        let isMarked: Bool
    }

    /// Points in a plane without axes, with a legend of their groups.
    static func scatter(title: String, _ points: [Mark]) -> Plot {
        let (right, edge) = (200.0, 8.0)
        let groups = Set(points.map(\.group)).sorted()
        var plot = Plot(title: title, width: 720, height: 520)
        func places(_ values: [Double], _ length: Double) -> [Double] {
            let (low, high) = (values.min() ?? 0, values.max() ?? 1)
            return values.map { edge + ($0 - low) / max(high - low, 1e-9) * (length - 2 * edge) }
        }
        let places = zip(places(points.map(\.x), plot.width - right), places(points.map(\.y), plot.height))
        func colour(_ group: String) -> String { "f\((groups.firstIndex(of: group) ?? 0) % PageStyle.series.count)" }
        func draw(_ at: (Double, Double), _ group: String, isMarked: Bool, isRepeated: Bool) {
            // A second group of a colour has a hole.
            if isMarked {
                plot.rectangle((at.0 - 3.5, at.1 - 3.5), width: 7, height: 7, colour(group))
            } else {
                plot.circle(at, radius: 3.5, colour(group))
            }
            if isRepeated { plot.circle(at, radius: 1.5, "hole") }
        }
        for (point, place) in zip(points, places) {
            let index = groups.firstIndex(of: point.group) ?? 0
            draw(place, point.group, isMarked: point.isMarked, isRepeated: index >= PageStyle.series.count)
        }
        for (index, group) in groups.enumerated() {
            let row = 16 + 20 * Double(index)
            let isMarked = points.filter { $0.group == group }.allSatisfy(\.isMarked)
            draw((plot.width - right + 24, row), group, isMarked: isMarked, isRepeated: index >= PageStyle.series.count)
            plot.text(shortened(group, 22), at: (plot.width - right + 36, row + 4))
        }
        return plot
    }

    private static func shortened(_ text: String, _ length: Int) -> String {
        text.count > length ? text.prefix(length - 1) + "…" : text
    }
}
