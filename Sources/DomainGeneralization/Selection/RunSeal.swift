import Foundation
import Foundations
import Torch

/// The file `done` of a finished run: size and SHA-256 of the files that are read of it later.
public enum RunSeal {
    private static let file = "done"

    /// The files of a run that are read after its end, where there are such.
    private static let names = [
        "config.yaml", "environment.json", "classes.json", "results.jsonl", "summary.json", "predictions.jsonl",
        "ledger.json", "average.safetensors", "evaluation.json",
    ]

    /// Marks the run in a folder as finished.
    /// - Throws: a one-line error for a folder that cannot be written.
    public static func write(_ folder: String) throws {
        let manifest = try JSONValue(encoding: FileManifest(folder: folder, names: names))
        try AtomicFile.write(manifest.text + "\n", to: "\(folder)/\(file)")
    }

    /// Whether the run in a folder has finished.
    public static func exists(in folder: String) -> Bool {
        Files.exists("\(folder)/\(file)")
    }

    /// Makes sure that files of a run are as they were at its end; does nothing for one that has not finished.
    /// - Parameter chosen: nil for all that were recorded.
    /// - Throws: `UserError` naming the file that is missing or differs.
    public static func check(_ chosen: String? = nil, in folder: String) throws {
        guard let data = Files.contents("\(folder)/\(file)") else { return }
        // DomainBed's, and what we wrote before runs were sealed.
        guard data != Data("done".utf8) else { return }
        let remedy = "restore it from a copy, or train this run again with --restart"
        guard let manifest = try? JSONDecoder().decode(FileManifest.self, from: data) else {
            throw UserError("\(folder)/\(file): damaged: not the list of files that ends a run; \(remedy)")
        }
        for name in chosen.map({ [$0] }) ?? manifest.files.keys.sorted() {
            guard let problem = manifest.problem(name, in: folder) else { continue }
            throw UserError("\(folder)/\(name): \(problem); \(remedy)")
        }
    }
}
