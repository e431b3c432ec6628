import ArgumentParser

/// - Parameter value: an option's; nothing is checked of one that is not given.
/// - Throws: `ValidationError` for a number outside the range.
func check(_ option: String, _ value: Int?, in range: ClosedRange<Int>) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError("\(option): \(value) is not in \(range.lowerBound)...\(range.upperBound)")
}
