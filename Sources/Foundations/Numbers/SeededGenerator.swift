/// A small, fast generator of random numbers (SplitMix64, Steele and others 2014) that is a pure function of its seed.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// The generator of a seed; neighbouring seeds give unrelated numbers.
    public init(seed: UInt64) { state = seed }

    /// The generator of one draw of a run: the same for the same numbers, and unrelated for any others.
    ///
    /// - Parameters:
    ///   - seed: the seed of the run.
    ///   - domain: the index of the domain, or of another stream of draws.
    ///   - step: the training step or batch.
    ///   - index: the place in the batch.
    public init(seed: UInt64, domain: Int, step: Int, index: Int = 0) {
        state = seed
        for part in [domain, step, index] {
            state = next() ^ UInt64(bitPattern: Int64(part))
        }
        state = next()
    }

    /// The next 64 random bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension RandomNumberGenerator {
    /// A number drawn evenly from `low..<high`; `low` when they are equal.
    public mutating func uniform(_ low: Double = 0, _ high: Double = 1) -> Double {
        low + (high - low) * (Double(next() >> 11) * 0x1p-53)
    }

    /// A whole number drawn evenly from `0..<count`.
    ///
    /// - Precondition: `count` is at least 1.
    public mutating func below(_ count: Int) -> Int {
        precondition(count > 0, "nothing can be drawn from \(count) numbers")
        // The bias is below count / 2^64.
        return Int(next().multipliedFullWidth(by: UInt64(count)).high)
    }
}
