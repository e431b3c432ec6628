extension TorchError {
    /// An error for a name that a registry does not know: `unknown backbone 'resnet5'; did you mean resnet50?`
    /// - Parameters:
    ///   - kind: what is named, a noun ("backbone").
    ///   - known: all names that there are.
    public static func unknown(_ kind: String, _ name: String, among known: [String]) -> TorchError {
        let limit = max(2, name.count / 3)
        let near = known.map { ($0, editDistance(name.lowercased(), $0.lowercased())) }
            .filter { $0.1 <= limit }.sorted { $0.1 < $1.1 }.prefix(3).map(\.0)
        if near.isEmpty {
            return TorchError("unknown \(kind) '\(name)'; there are: \(known.joined(separator: ", "))")
        }
        return TorchError("unknown \(kind) '\(name)'; did you mean \(near.joined(separator: " or "))?")
    }
}

/// Levenshtein's distance: insertions, deletions and substitutions that turn one text into the other.
public func editDistance(_ a: String, _ b: String) -> Int {
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
