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
    struct Series {
        let label: String
        let points: [(x: Double, y: Double)]
    }

    /// Dashes tell lines apart where colours do not.
    private static let dashes = ["none", "7 3", "2 3", "9 3 2 3", "none", "7 3", "2 3", "9 3 2 3"]

    /// Lines over an axis, with a legend.
    static func lines(title: String, x xLabel: String, y yLabel: String, _ series: [Series]) -> Plot {
        let (left, right, top, below) = (52.0, 220.0, 30.0, 44.0)
        let height = max(280, 60 + 20 * Double(series.count))
        var plot = Plot(title: title, width: 720, height: height)
        let points = series.flatMap(\.points)
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
        return plot
    }

    /// Bars of several series, in groups one below the other; all from 0 to 100.
    static func bars(title: String, groups: [String], _ series: [(label: String, values: [Double?])]) -> Plot {
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

    private static func shortened(_ text: String, _ length: Int) -> String {
        text.count > length ? text.prefix(length - 1) + "…" : text
    }
}
