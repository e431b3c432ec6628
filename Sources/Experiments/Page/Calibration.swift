/// How often predictions are right that are as sure as they are (Guo and others, ICML 2017).
struct Calibration {
    /// Predictions of about the same confidence.
    private struct Bin {
        var count = 0
        var right = 0
        var confidence = 0.0
    }

    private var bins = [Bin](repeating: Bin(), count: 10)

    /// Counts a prediction.
    mutating func add(confidence: Double, isRight: Bool) {
        let place = min(bins.count - 1, max(0, Int(confidence * Double(bins.count))))
        bins[place].count += 1
        bins[place].right += isRight ? 1 : 0
        bins[place].confidence += confidence
    }

    private var count: Int { bins.reduce(0) { $0 + $1.count } }

    /// The expected calibration error with ten bins, 0…1; nil without predictions.
    var error: Double? {
        guard count > 0 else { return nil }
        return bins.reduce(0) { $0 + abs(Double($1.right) - $1.confidence) } / Double(count)
    }

    /// The mean confidence and the accuracy of each bin, in percent.
    var points: [(x: Double, y: Double)] {
        bins.filter { $0.count > 0 }.map {
            (x: 100 * $0.confidence / Double($0.count), y: 100 * Double($0.right) / Double($0.count))
        }
    }
}
