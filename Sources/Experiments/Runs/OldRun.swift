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
    ]

    /// The run's files in their places.
    private var files: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
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
        try? FileManager.default.removeItem(atPath: forgotten)
        if exists(aside) {
            for name in files { try? FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
            rename(aside, moving)
        }
        guard exists(moving) else { return }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: moving)) ?? [] {
            rename("\(moving)/\(name)", "\(folder)/\(name)")
        }
        rmdir(moving)
    }

    /// Forgets the old run: the new one has begun.
    func forget() {
        rename(aside, forgotten)
        try? FileManager.default.removeItem(atPath: forgotten)
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    private func move(_ old: String, to new: String) throws {
        guard rename(old, new) == 0 else {
            throw UserError(
                "\(old): cannot be set aside (\(String(cString: strerror(errno)))); correct the folder's permissions")
        }
    }
}
