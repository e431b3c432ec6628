import Foundation
import Torch

/// The quantile of a few risks by a Gaussian kernel density estimate, as in DomainBed: with the bandwidth
/// `h = 1.06 · s · n^(−1/5)`, s the unbiased deviation, it is the place between `min + h·z` and `max + h·z` where the estimated
/// distribution function is α; z is the α-quantile of the standard normal distribution.
///
/// The place is found by 32 halvings, which gradients do not see: they pass through the two ends alone, that is through the
/// least and the largest risk and the bandwidth.
struct RiskQuantile {
    private let share: Double
    private let score: Double

    /// - Parameter share: α, above 0 and below 1.
    init(_ share: Double) {
        self.share = share
        score = Self.halved(from: -40, to: 40, steps: 100) { Self.normal($0) > share }
    }

    /// The quantile of risks [n], a scalar; n is 2 or more.
    func callAsFunction(of risks: Tensor) -> Tensor {
        let sorted = risks.sorted(0).values
        let count = risks.count
        let bandwidth = 1.06 * pow(Double(count), -0.2) * sorted.variance([0]).sqrt()
        let low = sorted[0] + score * bandwidth
        let high = sorted[count - 1] + score * bandwidth
        let (centres, width, first, last) = (sorted.scalars(Double.self), bandwidth.item(), low.item(), high.item())
        let place = Self.halved(from: 0, to: 1, steps: 32) { place in
            let value = first + place * (last - first)
            return centres.map { Self.normal((value - $0) / width) }.reduce(0, +) / Double(count) > share
        }
        return (1 - place) * low + place * high
    }

    /// The distribution function of the standard normal distribution.
    private static func normal(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

    /// Where a condition begins to hold, by halving a range.
    private static func halved(
        from low: Double, to high: Double, steps: Int, _ isAbove: (Double) -> Bool
    ) -> Double {
        var (low, high) = (low, high)
        for _ in 0..<steps {
            let middle = 0.5 * (low + high)
            if isAbove(middle) { high = middle } else { low = middle }
        }
        return 0.5 * (low + high)
    }
}
