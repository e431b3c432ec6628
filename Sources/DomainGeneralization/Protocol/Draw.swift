import Foundation
import Foundations

/// How a random search draws a value, with the arithmetic of numpy's legacy `RandomState`, so that a draw equals
/// DomainBed's for the same seed.
public enum Draw: Sendable, Equatable {
    /// Always this value; nothing is drawn.
    case constant(JSONValue)
    /// A number from low to high, evenly: `r.uniform(low, high)`.
    case uniform(Double, Double)
    /// `base ** r.uniform(low, high)`: `power(10, -5, -3.5)` is a learning rate of 1e-5…3e-4.
    case power(Double, Double, Double)
    /// A number from low to high, evenly, without its fraction: `int(r.uniform(low, high))`.
    case wholeUniform(Double, Double)
    /// `int(base ** r.uniform(low, high))`: `wholePower(2, 3, 5.5)` is a batch size of 8…45.
    case wholePower(Double, Double, Double)
    /// One of these values: `r.choice(values)`.
    case choice([JSONValue])

    /// One of these numbers: `r.choice(values)`.
    public static func choice(_ values: [Double]) -> Draw { .choice(values.map(JSONValue.double)) }
    /// One of these whole numbers: `r.choice(values)`.
    public static func choice(_ values: [Int]) -> Draw { .choice(values.map(JSONValue.int)) }

    /// The value that `RandomState(seed)` draws.
    public func value(seed: UInt32) -> JSONValue {
        var generator = MersenneTwister(seed: seed)
        switch self {
        case .constant(let value): return value
        case .uniform(let low, let high): return .double(generator.uniform(low, high))
        case .power(let base, let low, let high): return .double(pow(base, generator.uniform(low, high)))
        case .wholeUniform(let low, let high): return .int(Int(generator.uniform(low, high)))
        case .wholePower(let base, let low, let high): return .int(Int(pow(base, generator.uniform(low, high))))
        case .choice(let values):
            guard !values.isEmpty else { return .null }
            return values[Int(generator.interval(UInt32(values.count - 1)))]
        }
    }
}

extension Draw: CustomStringConvertible {
    /// The range in words: "10^U(-5, -3.5)".
    public var description: String {
        switch self {
        case .constant(let value): "always \(value.text)"
        case .uniform(let low, let high): "U(\(low), \(high))"
        case .power(let base, let low, let high): "\(Int(base))^U(\(low), \(high))"
        case .wholeUniform(let low, let high): "whole U(\(low), \(high))"
        case .wholePower(let base, let low, let high): "whole \(Int(base))^U(\(low), \(high))"
        case .choice(let values): "one of \(values.map(\.text).joined(separator: ", "))"
        }
    }
}
