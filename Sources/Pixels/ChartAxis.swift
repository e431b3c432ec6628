import Foundation

/// How numbers of a chart fall on a length, and where its ticks are.
public enum AxisScale: Sendable {
    /// Evenly: equal differences are equal lengths.
    case linear
    /// Logarithmic; numbers that are not above 0 are left out.
    case logarithmic
}

/// One axis of a chart: a range of numbers that contains the data, and round numbers in it.
struct ChartAxis {
    let scale: AxisScale
    /// The numbers at the ends, in logarithms to base 10 if the scale is logarithmic.
    let low: Double
    let high: Double
    let ticks: [(value: Double, label: String)]

    /// - Parameters:
    ///   - values: the data; what does not belong on the scale is ignored.
    ///   - margin: the part of the range left free at either end.
    ///   - count: about how many ticks there is room for.
    init(_ values: some Sequence<Double>, scale: AxisScale, margin: Double, count: Int) {
        self.scale = scale
        let places = values.compactMap { Self.place($0, scale) }
        var low = places.min() ?? (scale == .linear ? 0 : -1)
        var high = places.max() ?? (scale == .linear ? 1 : 0)
        // Also where they differ by less than what can be divided into ticks.
        if high - low < 1e-300 {
            let half = scale == .linear ? max(abs(low) * 0.1, 0.5) : 0.5
            (low, high) = (low - half, high + half)
        } else {
            (low, high) = (low - (high - low) * margin, high + (high - low) * margin)
        }
        self.low = low
        self.high = high
        ticks = scale == .linear ? Self.linear(low, high, count) : Self.logarithmic(low, high, count)
    }

    /// Where a number falls, 0…1 between the ends, or nil if it does not belong on the scale.
    func fraction(_ value: Double) -> Double? {
        Self.place(value, scale).map { ($0 - low) / (high - low) }
    }

    private static func place(_ value: Double, _ scale: AxisScale) -> Double? {
        guard abs(value) < 1e300 else { return nil }
        switch scale {
        case .linear: return value
        case .logarithmic: return value > 0 ? log10(value) : nil
        }
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    private static func linear(_ low: Double, _ high: Double, _ count: Int) -> [(Double, String)] {
        let rough = (high - low) / Double(max(count, 1))
        let power = pow(10, floor(log10(rough)))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough * 0.75 } ?? rough
        let decimals = max(0, -Int(floor(log10(step) + 1e-9)))
        let first = Int((low / step - 1e-9).rounded(.up))
        let last = Int((high / step + 1e-9).rounded(.down))
        guard first <= last else { return [] }
        return (first...last).map { (Double($0) * step, label(Double($0) * step, decimals: decimals, step: step)) }
    }

    /// Powers of ten, thinned out if there are many, and 2 and 5 times them if there are few.
    private static func logarithmic(_ low: Double, _ high: Double, _ count: Int) -> [(Double, String)] {
        let first = Int(floor(low))
        let last = Int(ceil(high))
        let every = max(1, Int((Double(last - first) / Double(max(count, 1))).rounded(.up)))
        let factors: [Double] = high - low < 3 ? [1, 2, 5] : [1]
        return stride(from: first, through: last, by: every).flatMap { power in
            factors.map { $0 * pow(10, Double(power)) }
        }.filter { (low - 1e-9...high + 1e-9).contains(log10($0)) }.map { ($0, power(of: $0)) }
    }

    private static func label(_ value: Double, decimals: Int, step: Double) -> String {
        if decimals > 5 { return String(format: "%.2g", value) }
        if step >= 1e6 { return String(format: "%gM", value / 1e6) }
        if step >= 1000 { return value == 0 ? "0" : String(format: "%gk", value / 1000) }
        return String(format: "%.\(decimals)f", value == 0 ? 0 : value)
    }

    private static func power(of value: Double) -> String {
        value >= 1e-3 && value < 1e5 ? String(format: "%g", value) : String(format: "%.0e", value)
    }
}
