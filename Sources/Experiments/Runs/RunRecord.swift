import DomainGeneralization
import Foundation
import Foundations

/// The state of a run's files beside a checkpoint, kept in the checkpoint: what is read back when the run goes on, or when its
/// model is used before its end, must be as it was.
public struct RunRecord: Codable, Sendable, Equatable {
    /// Those that are written once.
    let files: FileManifest
    /// How many rows `results.jsonl` had.
    let rows: Int
    /// SHA-256 of these rows.
    let results: String

    private static let names = ["config.yaml", "environment.json", "classes.json"]

    init(folder: String, rows: [CheckpointRow]) {
        files = FileManifest(folder: folder, names: Self.names)
        self.rows = rows.count
        results = Self.digest(rows)
    }

    /// - Throws: `UserError` naming a file that differs.
    func check(folder: String) throws {
        for name in files.files.keys.sorted() {
            guard let problem = files.problem(name, in: folder) else { continue }
            throw UserError("\(folder)/\(name): \(problem); restore it from a copy, or begin again with --restart")
        }
    }

    /// - Parameter found: the rows that `results.jsonl` has; there may be more than at the checkpoint.
    /// - Throws: `UserError` when the first of them are not those of the checkpoint.
    func check(_ found: [CheckpointRow], folder: String) throws {
        let file = "\(folder)/results.jsonl"
        let remedy = "restore the file from a copy, or begin again with --restart"
        guard found.count >= rows else {
            throw UserError("\(file): has \(found.count) rows, and had \(rows) at the last checkpoint; \(remedy)")
        }
        guard Self.digest(found.prefix(rows)) == results else {
            throw UserError("\(file): its rows are not those of the last checkpoint; \(remedy)")
        }
    }

    /// Without the averaged model's results, which are added to the last row after its checkpoint.
    private static func digest(_ rows: some Sequence<CheckpointRow>) -> String {
        SHA256Sum.of(
            rows.map { row in
                JSONValue.object(row.values.filter { !$0.key.hasPrefix(CheckpointRow.averagePrefix) }).text + "\n"
            }.joined())
    }
}
