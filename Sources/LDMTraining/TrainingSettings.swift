import DomainGeneralization
import Foundation
import Foundations
import Torch

/// What a checkpoint belongs to, kept beside it in `settings.json`: a training with other settings would not go on to the same
/// numbers.
struct TrainingSettings {
    private let values: JSONValue

    init(_ settings: some Encodable) throws {
        values = try JSONValue(encoding: settings)
    }

    /// Compares the settings with those of the training that a folder holds, and keeps them there.
    /// - Parameter ignored: the names of settings that may differ.
    /// - Throws: `UserError` naming a difference.
    func check(work: String, ignoring ignored: Set<String> = []) throws {
        let path = "\(work)/settings.json"
        if !CheckpointFolder("\(work)/checkpoint").steps.isEmpty {
            guard let data = Files.contents(path),
                let old = JSONValue(json: data)
            else { throw UserError("\(path): missing or damaged; delete \(work) to start anew") }
            if let difference = difference(from: old, ignoring: ignored) {
                throw UserError(
                    "\(work): the training there has other settings (\(difference)); repeat them to go on, or choose "
                        + "another folder")
            }
        }
        try AtomicFile.makeFolder(work)
        try AtomicFile.write(values.text + "\n", to: path)
    }

    /// The first difference, with a setting's own name.
    private func difference(from old: JSONValue, ignoring ignored: Set<String>) -> String? {
        let (own, others) = (values.flattened(), old.flattened())
        for key in Set(own.keys).union(others.keys).sorted() where own[key] != others[key] {
            let name = key.split(separator: ".").last.map(String.init) ?? key
            guard !ignored.contains(name) else { continue }
            return "\(name) is \(own[key]?.text ?? "nothing") now and was \(others[key]?.text ?? "nothing")"
        }
        return nil
    }
}
