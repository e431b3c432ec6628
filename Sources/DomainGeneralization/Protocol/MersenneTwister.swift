/// MT19937 as `numpy.random.RandomState(seed)` seeds and uses it, so that splits equal DomainBed's.
public struct MersenneTwister: Sendable {
    private var state: [UInt32]
    private var position = 624

    /// The generator of `numpy.random.RandomState(seed)`.
    public init(seed: UInt32) {
        state = [seed]
        state.reserveCapacity(624)
        for i in 1..<624 {
            let last = state[i - 1]
            state.append(1_812_433_253 &* (last ^ (last >> 30)) &+ UInt32(i))
        }
    }

    /// The next 32 random bits.
    public mutating func next() -> UInt32 {
        if position == 624 { refill() }
        var y = state[position]
        position += 1
        y ^= y >> 11
        y ^= (y << 7) & 0x9d2c_5680
        y ^= (y << 15) & 0xefc6_0000
        return y ^ (y >> 18)
    }

    private mutating func refill() {
        for i in 0..<624 {
            let y = (state[i] & 0x8000_0000) | (state[(i + 1) % 624] & 0x7fff_ffff)
            state[i] = state[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 == 0 ? 0 : 0x9908_b0df)
        }
        position = 0
    }

    /// A number in 0...maximum: bits masked to the next power of two, rejected while too large (`random_interval`).
    public mutating func interval(_ maximum: UInt32) -> UInt32 {
        guard maximum > 0 else { return 0 }
        let mask = UInt32.max >> UInt32(maximum.leadingZeroBitCount)
        while true {
            let value = next() & mask
            if value <= maximum { return value }
        }
    }

    /// `RandomState.uniform(low, high)`: 53 random bits of two words.
    public mutating func uniform(_ low: Double, _ high: Double) -> Double {
        let (upper, lower) = (next() >> 5, next() >> 6)
        return low + (high - low) * ((Double(upper) * 67_108_864 + Double(lower)) / 9_007_199_254_740_992)
    }

    /// `RandomState.shuffle` of 0 ..< count (Fisher–Yates from the end).
    public mutating func permutation(_ count: Int) -> [Int] {
        var result = Array(0..<count)
        for i in stride(from: count - 1, to: 0, by: -1) {
            result.swapAt(i, Int(interval(UInt32(i))))
        }
        return result
    }
}
