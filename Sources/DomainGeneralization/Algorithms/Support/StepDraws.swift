import Foundation
import Foundations
import Pixels

/// The random numbers of an algorithm: those of a step are a function of the run's seed, the algorithm and the step.
public struct StepDraws {
    private let seed: UInt64

    /// The random numbers of an algorithm in a run.
    /// - Parameter name: the algorithm's, so that two of them draw different numbers.
    public init(_ context: AlgorithmContext, _ name: String) {
        seed = context.ownSeed(UInt64(bitPattern: Int64(seedHash(.int(context.seed), .string(name)))))
    }

    /// A fresh generator for a step.
    /// - Parameter stream: tells the streams of one step apart.
    public func generator(step: Int, stream: Int = 0) -> SeededGenerator {
        SeededGenerator(seed: seed, domain: stream, step: step)
    }
}

extension RandomNumberGenerator {
    /// The numbers `0..<count` in random order (Fisher and Yates).
    public mutating func permutation(_ count: Int) -> [Int] {
        var result = Array(0..<count)
        for index in result.indices.dropFirst().reversed() { result.swapAt(index, below(index + 1)) }
        return result
    }

    /// A number from the beta distribution: X / (X + Y) of two gamma variates.
    /// - Precondition: both parameters are above 0.
    public mutating func beta(_ a: Double, _ b: Double) -> Double {
        // In logarithms: for small parameters both variates may be too small for a number.
        let x = logGamma(a)
        let y = logGamma(b)
        let highest = max(x, y)
        let (first, second) = (exp(x - highest), exp(y - highest))
        return first / (first + second)
    }

    /// The logarithm of a gamma variate of scale 1 (Marsaglia and Tsang 2000; for shapes below 1 their power of a uniform
    /// number).
    private mutating func logGamma(_ shape: Double) -> Double {
        if shape < 1 { return logGamma(shape + 1) + log(1 - uniform()) / shape }
        let d = shape - 1 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal()
            let root = 1 + c * x
            guard root > 0 else { continue }
            let v = root * root * root
            if log(1 - uniform()) < 0.5 * x * x + d - d * v + d * log(v) { return log(d * v) }
        }
    }

    /// A standard normal number (Box and Muller).
    private mutating func normal() -> Double {
        (-2 * log(1 - uniform())).squareRoot() * cos(2 * .pi * uniform())
    }
}
