import DomainGeneralization
import Foundation
import Foundations
import Torch

/// An earlier run in a folder that a new one is to replace: out of its way until the new one has a checkpoint, and back if it
/// ends before.
///
/// Each change of what the folder's contents mean is one rename, so that a process that is killed at any instant leaves the
/// old run, or the new one, whole:
/// - `.moving` holds some files of the old run, and the others lie in their places;
/// - `.before-restart` holds all of them, and those in their places are the new run's;
/// - `.forgotten` is to be deleted.
struct OldRun {
    private let folder: String
    private var moving: String { "\(folder)/.moving" }
    private var aside: String { "\(folder)/.before-restart" }
    private var forgotten: String { "\(folder)/.forgotten" }

    init(folder: String) {
        self.folder = folder
    }

    /// What belongs to one run. A file of the user's in the folder stays, and so does the log that a sweep is writing.
    private static let parts: Set = [
        "checkpoint", "config.yaml", "environment.json", "classes.json", "results.jsonl", "summary.json",
        "predictions.jsonl", "ledger.json", "synthetic", "done", "failed", RunDirectory.failedBatch, RunAverage.file,
        EvaluationRecord.file, TrackingRecord.file,
    ]

    /// The run's files in their places.
    private var files: [String] {
        let names = Files.names(in: folder) ?? []
        return names.filter { Self.parts.contains($0) || $0.hasPrefix(EventWriter.prefix) }
    }

    /// Takes the run's files out of the way.
    /// - Throws: a one-line error when that cannot be done; they are then in their places.
    func setAside() throws {
        guard !files.isEmpty else { return }
        do {
            try AtomicFile.makeFolder(moving)
            for name in files { try move("\(folder)/\(name)", to: "\(moving)/\(name)") }
            try move(moving, to: aside)
            AtomicFile.syncFolder(folder)
        } catch {
            bringBack()
            throw error
        }
    }

    /// Puts the old run in the place of what there is of a new one, also where a process was killed at any point of these.
    func bringBack() {
        Files.remove(forgotten)
        if exists(aside) {
            for name in files { Files.remove("\(folder)/\(name)") }
            Files.move(aside, to: moving)
        }
        guard exists(moving) else { return }
        for name in Files.names(in: moving) ?? [] {
            Files.move("\(moving)/\(name)", to: "\(folder)/\(name)")
        }
        FilePath.withSystemPath(moving) { _ = rmdir($0) }
    }

    /// Forgets the old run: the new one has begun.
    func forget() {
        Files.move(aside, to: forgotten)
        Files.remove(forgotten)
    }

    private func exists(_ path: String) -> Bool { Files.exists(path) }

    private func move(_ old: String, to new: String) throws {
        guard Files.move(old, to: new) else {
            throw UserError(
                "\(old): cannot be set aside (\(String(cString: strerror(errno)))); correct the folder's permissions")
        }
    }
}
