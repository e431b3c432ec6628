/// The names of `known` that a mistyped `name` may mean, nearest first; at most three.
public func nearMisses(_ name: String, among known: [String]) -> [String] {
    func simple(_ text: String) -> String { text.lowercased().filter { !"-_ .".contains($0) } }
    let wanted = simple(name)
    let scored = known.map { candidate -> (name: String, distance: Int) in
        let other = simple(candidate)
        if wanted.count > 2, other.hasPrefix(wanted) || wanted.hasPrefix(other) { return (candidate, 1) }
        return (candidate, editDistance(wanted, other))
    }
    return scored.filter { $0.distance <= max(2, wanted.count / 3) }
        .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
}

/// "; did you mean learningRate?" or "; known: a, b, c", for the end of an error.
public func suggestion(for name: String, among known: [String]) -> String {
    let near = nearMisses(name, among: known)
    return near.isEmpty
        ? "; known: \(known.isEmpty ? "none" : known.joined(separator: ", "))"
        : "; did you mean \(near.joined(separator: " or "))?"
}

/// Levenshtein's distance: insertions, deletions and substitutions that turn one text into the other.
func editDistance(_ a: String, _ b: String) -> Int {
    let target = Array(b)
    var row = Array(0...target.count)
    for (index, character) in a.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for column in target.indices {
            let substitution = diagonal + (character == target[column] ? 0 : 1)
            diagonal = row[column + 1]
            row[column + 1] = min(substitution, diagonal + 1, row[column] + 1)
        }
    }
    return row[target.count]
}
