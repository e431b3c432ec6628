import Foundation

/// A mistake that a user can mend: one line that names what is wrong and the remedy.
public struct UserError: Error, CustomStringConvertible, LocalizedError, Equatable, Sendable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    public var description: String { message }
    public var errorDescription: String? { message }
}

/// The names of `known` that a mistyped `name` may mean, nearest first; at most three.
public func nearMisses(_ name: String, among known: [String]) -> [String] {
    func simple(_ text: String) -> [Character] {
        Array(text.lowercased().filter { !"-_ .".contains($0) })
    }
    let wanted = simple(name)
    let scored = known.map { candidate -> (name: String, distance: Int) in
        let other = simple(candidate)
        if wanted.count > 2, other.starts(with: wanted) || wanted.starts(with: other) { return (candidate, 1) }
        return (candidate, editDistance(wanted, other))
    }
    return scored.filter { $0.distance <= max(1, wanted.count / 3) }
        .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
}

/// "; did you mean learningRate?" or "; known: a, b, c", for the end of an error.
public func suggestion(for name: String, among known: [String]) -> String {
    let near = nearMisses(name, among: known)
    return near.isEmpty
        ? "; known: \(known.isEmpty ? "none" : known.joined(separator: ", "))"
        : "; did you mean \(near.joined(separator: " or "))?"
}

/// Levenshtein's distance, an exchange of neighbours counted as one.
private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
    var before: [Int] = []
    var previous = Array(0...b.count)
    for i in 1...a.count {
        var current = [i] + [Int](repeating: 0, count: b.count)
        for j in 1...b.count {
            current[j] = min(
                previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
            if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                current[j] = min(current[j], before[j - 2] + 1)
            }
        }
        before = previous
        previous = current
    }
    return previous[b.count]
}
