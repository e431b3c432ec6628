import Foundations

extension Hyperparameters {
    /// - Throws: ``UserError`` when the value is not above a bound.
    func require(_ name: String, _ value: Double, above bound: Double) throws {
        guard value > bound, value.isFinite else { throw refusal(name, value, "not above \(bound.plain)") }
    }

    /// - Throws: ``UserError`` when the value is below a bound.
    func require(_ name: String, _ value: Double, atLeast bound: Double) throws {
        guard value >= bound, value.isFinite else { throw refusal(name, value, "below \(bound.plain)") }
    }

    /// - Throws: ``UserError`` when the value is outside a range.
    func require(_ name: String, _ value: Double, in range: ClosedRange<Double>) throws {
        guard range.contains(value) else {
            throw refusal(name, value, "not in \(range.lowerBound.plain)…\(range.upperBound.plain)")
        }
    }

    /// - Throws: ``UserError`` when the value is below a bound, or more than ``largestCount``.
    func require(_ name: String, _ value: Int, atLeast bound: Int) throws {
        guard value >= bound else { throw UserError("algorithm.hyperparameters.\(name): \(value) is below \(bound)") }
        guard value <= largestCount else {
            throw UserError("algorithm.hyperparameters.\(name): \(value) is above \(largestCount)")
        }
    }

    /// - Throws: ``UserError`` when the value is outside a range.
    func require(_ name: String, _ value: Int, in range: ClosedRange<Int>) throws {
        guard range.contains(value) else {
            throw UserError(
                "algorithm.hyperparameters.\(name): \(value) is not in \(range.lowerBound)…\(range.upperBound)")
        }
    }

    private func refusal(_ name: String, _ value: Double, _ why: String) -> UserError {
        UserError("algorithm.hyperparameters.\(name): \(value) is \(why)")
    }
}

extension Double {
    /// Whole numbers without a decimal point.
    fileprivate var plain: String { self == rounded() ? String(Int(self)) : String(self) }
}
