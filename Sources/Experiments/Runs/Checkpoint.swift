import DomainGeneralization
import Foundation
import Torch

/// A run's state after a number of steps, as it is saved.
public struct Checkpoint: Sendable {
    /// What is in `state.json`.
    public struct State: Codable, Sendable, Equatable {
        /// Steps done.
        public var step: Int
        public var metrics: MetricSums
        /// What the algorithm keeps beside tensors.
        public var algorithm: [String: JSONValue]

        public init(step: Int, metrics: MetricSums, algorithm: [String: JSONValue]) {
            self.step = step
            self.metrics = metrics
            self.algorithm = algorithm
        }
    }

    public let state: State
    /// The classifier's parameters and buffers.
    public let model: StateDict
    /// The optimiser's state and whatever else the algorithm keeps in tensors.
    public let optimizer: StateDict

    public init(state: State, model: StateDict, optimizer: StateDict) {
        self.state = state
        self.model = model
        self.optimizer = optimizer
    }
}

/// The checkpoints of a run: folders `step-N`, each complete or not there at all.
///
/// A checkpoint is written as `step-N.tmp`, its files are synced, a manifest with their sizes and SHA-256 comes last,
/// and the folder is renamed. So a process that is killed at any instant leaves the last complete one as it was.
public struct CheckpointFolder: Sendable {
    /// What a checkpoint's `manifest.json` says of its files.
    struct Manifest: Codable {
        struct File: Codable {
            let size: Int
            let sha256: String
        }

        let files: [String: File]
    }

    public let path: String

    public init(_ path: String) {
        self.path = path
    }

    /// The steps that have a checkpoint, ascending, whole or not.
    public var steps: [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.compactMap { name in name.hasPrefix("step-") ? Int(name.dropFirst(5)) : nil }.sorted()
    }

    func folder(_ step: Int) -> String { "\(path)/step-\(step)" }

    /// Writes a checkpoint; when this returns it is on the disk and complete.
    /// - Throws: a one-line error when the folder cannot be written; earlier checkpoints are then as they were.
    public func save(_ checkpoint: Checkpoint) throws {
        let final = folder(checkpoint.state.step)
        let temporary = final + ".tmp"
        try AtomicFile.makeFolder(path)
        try? FileManager.default.removeItem(atPath: temporary)
        try AtomicFile.makeFolder(temporary)
        do {
            try checkpoint.model.write(safetensors: "\(temporary)/model.safetensors")
            try checkpoint.optimizer.write(safetensors: "\(temporary)/optimizer.safetensors")
            try AtomicFile.write(try JSONValue(encoding: checkpoint.state).text + "\n", to: "\(temporary)/state.json")
            var files: [String: Manifest.File] = [:]
            for name in ["model.safetensors", "optimizer.safetensors", "state.json"] {
                files[name] = try describe("\(temporary)/\(name)")
            }
            try AtomicFile.write(
                try JSONValue(encoding: Manifest(files: files)).text + "\n", to: "\(temporary)/manifest.json")
            // One of the same step was saved before its evaluation, or is damaged: it makes way, and comes back if
            // this process ends between the two lines.
            rename(final, final + ".old")
            guard rename(temporary, final) == 0 else {
                throw UserError("\(final): cannot be written (\(String(cString: strerror(errno)))); check the disk")
            }
            syncFolder(path)
            try? FileManager.default.removeItem(atPath: final + ".old")
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw error
        }
    }

    /// Reads a checkpoint after comparing every file with the manifest.
    /// - Throws: ``UserError`` naming a file that is missing or differs.
    public func read(_ step: Int) throws -> Checkpoint {
        let folder = folder(step)
        let remedy = "remove \(folder) to go on from an earlier one, or restore it from a copy"
        guard let data = FileManager.default.contents(atPath: "\(folder)/manifest.json"),
            let manifest = try? JSONDecoder().decode(Manifest.self, from: data)
        else { throw UserError("\(folder)/manifest.json: missing or unreadable; \(remedy)") }
        for name in ["model.safetensors", "optimizer.safetensors", "state.json"] {
            let file = "\(folder)/\(name)"
            guard let expected = manifest.files[name] else {
                throw UserError("\(folder)/manifest.json: says nothing of \(name); \(remedy)")
            }
            guard let found = try? describe(file) else { throw UserError("\(file): no such file; \(remedy)") }
            guard found.size == expected.size else {
                throw UserError("\(file): \(found.size) bytes in place of \(expected.size); \(remedy)")
            }
            guard found.sha256 == expected.sha256 else {
                throw UserError("\(file): its content is damaged (SHA-256 differs from the manifest's); \(remedy)")
            }
        }
        guard let text = FileManager.default.contents(atPath: "\(folder)/state.json"),
            let state = try? JSONDecoder().decode(Checkpoint.State.self, from: text)
        else { throw UserError("\(folder)/state.json: not a checkpoint's state; \(remedy)") }
        return Checkpoint(
            state: state, model: try StateDict(safetensors: "\(folder)/model.safetensors"),
            optimizer: try StateDict(safetensors: "\(folder)/optimizer.safetensors"))
    }

    /// The newest whole checkpoint; nil when there is none.
    /// - Parameter warn: told of every newer one that is damaged.
    public func latest(warn: (String) -> Void) throws -> Checkpoint? {
        tidy()
        for step in steps.reversed() {
            do {
                return try read(step)
            } catch {
                warn("\(error)")
            }
        }
        return nil
    }

    /// Ends what a killed process left half done: unfinished checkpoints go, one that had made way comes back.
    private func tidy() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] where name.hasPrefix("step-") {
            let file = "\(path)/\(name)"
            if name.hasSuffix(".tmp") { try? FileManager.default.removeItem(atPath: file) }
            if name.hasSuffix(".old"), rename(file, String(file.dropLast(4))) != 0 {
                try? FileManager.default.removeItem(atPath: file)
            }
        }
    }

    /// Removes all but the newest two and those in `kept`.
    public func prune(keeping kept: Set<Int>) {
        for step in steps.dropLast(2) where !kept.contains(step) {
            try? FileManager.default.removeItem(atPath: folder(step))
        }
    }

    private func describe(_ file: String) throws -> Manifest.File {
        Manifest.File(size: try MappedFile(path: file).count, sha256: try sha256(file: file))
    }
}

private func syncFolder(_ path: String) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
}
