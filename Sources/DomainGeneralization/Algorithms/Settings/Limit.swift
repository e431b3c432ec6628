import Foundations

/// The values that a setting takes, in words and as a check.
///
///     Setting("share", \.share, "share of the images that are mixed", .within(0...1))
///     Setting("prompt", \.prompt, "what is asked for", Limit("a text with {class} in it") { $0.contains("{class}") })
public struct Limit<Value>: Sendable {
    /// "at least 0"; empty where all values are taken.
    public let text: String
    /// What is wrong with a value, "-1.0 is below 0"; nil where it is taken.
    public let refusal: @Sendable (Value) -> String?

    /// A bound with its words for help texts and errors.
    /// - Parameters:
    ///   - text: what follows "must be".
    ///   - holds: whether a value is taken.
    public init(_ text: String, _ holds: @escaping @Sendable (Value) -> Bool) {
        self.init(text: text) { holds($0) ? nil : "must be \(text)" }
    }

    /// A bound that says by itself what is wrong with a value.
    /// - Parameters:
    ///   - text: the values in words: "at least 0".
    ///   - refusal: what is wrong with a value: "-1.0 is below 0"; nil where it is taken.
    public init(text: String, refusal: @escaping @Sendable (Value) -> String?) {
        self.text = text
        self.refusal = refusal
    }

    /// Every value of the type.
    public static var any: Limit { Limit(text: "") { _ in nil } }

    /// A list with at least one element, each of which another limit takes.
    /// - Parameter example: what an error for an empty list recommends: "[1, 2, 3]".
    public static func each<Element>(_ limit: Limit<Element>, example: String) -> Limit where Value == [Element] {
        Limit(text: limit.text.isEmpty ? "" : "each \(limit.text)") { elements in
            elements.isEmpty ? "is empty; give \(example)" : elements.lazy.compactMap(limit.refusal).first
        }
    }
}

extension Limit where Value == Double {
    /// Finite numbers from a bound on, the bound among them.
    public static func atLeast(_ bound: Double) -> Limit {
        Limit(text: "at least \(bound.plain)") {
            $0 >= bound && $0.isFinite ? nil : "\($0) is below \(bound.plain)"
        }
    }

    /// Finite numbers above a bound.
    public static func above(_ bound: Double) -> Limit {
        Limit(text: "above \(bound.plain)") {
            $0 > bound && $0.isFinite ? nil : "\($0) is not above \(bound.plain)"
        }
    }

    /// Numbers above one bound and not above another.
    public static func above(_ low: Double, atMost high: Double) -> Limit {
        let text = "above \(low.plain) and at most \(high.plain)"
        return Limit(text: text) { $0 > low && $0 <= high ? nil : "\($0) is not \(text)" }
    }

    /// Numbers of a range with both its ends.
    public static func within(_ range: ClosedRange<Double>) -> Limit {
        let text = "\(range.lowerBound.plain)…\(range.upperBound.plain)"
        return Limit(text: text) { range.contains($0) ? nil : "\($0) is not in \(text)" }
    }

    /// Numbers of a range without its upper end.
    public static func within(_ range: Range<Double>) -> Limit {
        let (low, high) = (range.lowerBound.plain, range.upperBound.plain)
        return Limit(text: "\(low) to below \(high)") {
            range.contains($0) ? nil : "\($0) is not in \(low)..<\(high)"
        }
    }

    /// Parameters of a beta distribution: outside of these, variates are 0, 1 and ½ as far as numbers go.
    public static var betaParameter: Limit { .within(1e-6...1e6) }
}

extension Limit where Value == Int {
    /// Whole numbers from a bound to `largestCount`.
    public static func atLeast(_ bound: Int) -> Limit {
        Limit(text: "at least \(bound)") { value in
            if value < bound { return "\(value) is below \(bound)" }
            return value > largestCount ? "\(value) is above \(largestCount)" : nil
        }
    }

    /// Seeds and the like, of which nothing is made but a hash: all whole numbers from 0 on.
    public static var seed: Limit { Limit(text: "at least 0") { $0 >= 0 ? nil : "\($0) is below 0" } }

    /// Whole numbers of a range with both its ends.
    public static func within(_ range: ClosedRange<Int>) -> Limit {
        let text = "\(range.lowerBound)…\(range.upperBound)"
        return Limit(text: text) { range.contains($0) ? nil : "\($0) is not in \(text)" }
    }
}

extension Double {
    /// Whole numbers without a decimal point.
    fileprivate var plain: String { Int(exactly: self).map(String.init) ?? String(self) }
}
