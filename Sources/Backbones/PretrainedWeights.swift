import Foundations
import Torch

/// A checkpoint's tensors under a backbone's own keys.
///
/// Training programs put a network into others, and its name before all keys (`module.`, `_orig_mod.`, `backbone.`,
/// `model.`). Such a prefix is taken off where all of the backbone has it. DomainBed's checkpoints have the head beside the
/// backbone.
struct PretrainedWeights {
    let state: StateDict
    /// What was done to the checkpoint, for people: a line without the file's name.
    private(set) var note: String?

    /// - Parameters:
    ///   - file: the checkpoint as it is.
    ///   - keys: the backbone's parameters and statistics, without its head's.
    ///   - path: names it in errors.
    /// - Throws: `UserError` for several networks of the same kind in one checkpoint.
    init(_ file: StateDict, of description: BackboneDescription, keys: Set<String>, path: String) throws {
        func without(_ prefix: String) -> StateDict? {
            let part = file.renamed { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : nil }
            let renamed = description.rename(part)
            return keys.allSatisfy { renamed[$0] != nil } ? renamed : nil
        }
        if let whole = without("") {
            state = whole
            return
        }
        let found = Self.prefixes(file, least: keys.count).compactMap { prefix in without(prefix).map { (prefix, $0) } }
        guard let (prefix, part) = found.first else {
            // Not this network: the loading says which keys are missing.
            state = description.rename(file)
            return
        }
        if let (other, _) = found.dropFirst().first(where: { !Self.same($0.1, part, keys) }) {
            throw UserError(
                "\(path): holds several networks (their keys begin with '\(prefix)' and '\(other)'); save one of them to a "
                    + "file of its own")
        }
        var result = part
        var taken = Set(file.names.filter { $0.hasPrefix(prefix) })
        if prefix.hasPrefix("featurizer.") || prefix.hasPrefix("network.0.") {
            for half in ["weight", "bias"] where result["\(description.headKey).\(half)"] == nil {
                guard let tensor = file["classifier.\(half)"] else { continue }
                result["\(description.headKey).\(half)"] = tensor
                taken.insert("classifier.\(half)")
            }
        }
        let others = file.names.filter { name in
            !taken.contains(name) && !found.contains { name.hasPrefix($0.0) }
        }
        state = result
        note =
            "read without the prefix '\(prefix)' of its keys"
            + (others.isEmpty
                ? ""
                : "; left out: \(others.prefix(3).joined(separator: ", "))"
                    + (others.count > 3 ? " and \(others.count - 3) more" : ""))
    }

    /// What at least so many keys begin with, the shortest first.
    private static func prefixes(_ file: StateDict, least: Int) -> [String] {
        var counts: [String: Int] = [:]
        for name in file.names {
            var prefix = ""
            for word in name.split(separator: ".").dropLast().prefix(6) {
                prefix += "\(word)."
                counts[prefix, default: 0] += 1
            }
        }
        return counts.filter { $0.value >= least }.keys.sorted { ($0.count, $0) < ($1.count, $1) }
    }

    /// Whether two copies of a network have the same weights.
    private static func same(_ one: StateDict, _ other: StateDict, _ keys: Set<String>) -> Bool {
        keys.allSatisfy { key in
            guard let a = one[key], let b = other[key], a.shape == b.shape, a.dtype == b.dtype else { return false }
            return a.equal(b).all().item() == 1
        }
    }
}
