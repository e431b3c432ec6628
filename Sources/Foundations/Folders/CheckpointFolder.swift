import Foundation

/// The checkpoints of a training: folders `step-N`, each complete or not there at all.
///
/// A checkpoint is written as `step-N.tmp`, its files are synced, a manifest with their sizes and SHA-256 comes last,
/// and the folder is renamed. One that is removed is renamed first. So a process that is killed at any instant leaves the
/// last complete one as it was.
public struct CheckpointFolder: Sendable {
    /// The folder that the checkpoints' folders lie in.
    public let path: String

    private static let manifest = "manifest.json"
    private static let unfinished = ".tmp"
    private static let replaced = ".old"
    private static let removed = ".gone"

    /// The checkpoints of a folder, which need not exist; nothing is read or made.
    public init(_ path: String) {
        self.path = path
    }

    /// The steps that have a checkpoint, ascending, whole or not.
    public var steps: [Int] {
        names.compactMap { name in name.hasPrefix("step-") ? Int(name.dropFirst(5)) : nil }.sorted()
    }

    private var names: [String] { Files.names(in: path) ?? [] }

    /// The folder of a step's checkpoint.
    public func folder(_ step: Int) -> String { "\(path)/step-\(step)" }

    /// Writes a checkpoint; when this returns it is on the disk and complete.
    /// - Parameter write: writes and syncs the checkpoint's files in the folder that it is given.
    /// - Throws: a one-line error when the folder cannot be written; earlier checkpoints are then as they were.
    public func save(step: Int, _ write: (_ folder: String) throws -> Void) throws {
        let final = folder(step)
        let temporary = final + Self.unfinished
        try AtomicFile.makeFolder(path)
        Files.remove(temporary)
        try AtomicFile.makeFolder(temporary)
        do {
            try write(temporary)
            let files = Files.names(in: temporary) ?? []
            let manifest = FileManifest(folder: temporary, names: files)
            try AtomicFile.write(try JSONValue(encoding: manifest).text + "\n", to: "\(temporary)/\(Self.manifest)")
            // One of the same step was saved before its evaluation, or is damaged: it makes way, and comes back if
            // this process ends between the two lines.
            Files.move(final, to: final + Self.replaced)
            guard Files.move(temporary, to: final) else {
                throw UserError("\(final): cannot be written (\(String(cString: strerror(errno)))); check the disk")
            }
            AtomicFile.syncFolder(path)
            Files.remove(final + Self.replaced)
        } catch {
            Files.remove(temporary)
            throw error
        }
    }

    /// Reads a checkpoint after comparing every file with the manifest.
    /// - Parameter read: reads the files in the folder that it is given.
    /// - Throws: ``UserError`` naming a file that is missing or differs.
    public func read<Value>(step: Int, _ read: (_ folder: String) throws -> Value) throws -> Value {
        let folder = folder(step)
        let remedy = "restore it from a copy; a training goes on from the one before"
        guard let data = Files.contents("\(folder)/\(Self.manifest)"),
            let manifest = try? JSONDecoder().decode(FileManifest.self, from: data), !manifest.files.isEmpty
        else { throw UserError("\(folder)/\(Self.manifest): missing or unreadable; \(remedy)") }
        for name in manifest.files.keys.sorted() {
            guard let problem = manifest.problem(name, in: folder) else { continue }
            throw UserError("\(folder)/\(name): \(problem); \(remedy)")
        }
        return try read(folder)
    }

    /// The newest whole checkpoint; nil when there is none at all.
    /// - Parameters:
    ///   - warn: told of every newer one that is damaged.
    ///   - read: reads the files in the folder that it is given.
    /// - Throws: ``UserError`` when there are checkpoints and none is whole.
    public func latest<Value>(
        warn: (String) -> Void, _ read: (_ folder: String) throws -> Value
    ) throws -> Value? {
        tidy()
        let steps = steps
        for step in steps.reversed() {
            do {
                return try self.read(step: step, read)
            } catch {
                warn("\(error)")
            }
        }
        guard steps.isEmpty else {
            throw UserError(
                "\(path): no checkpoint in it is whole; restore one from a copy, or begin again (train --restart)")
        }
        return nil
    }

    /// Ends what a killed process left half done: unfinished and removed checkpoints go, one that had made way comes back.
    private func tidy() {
        for name in names where name.hasPrefix("step-") {
            let file = "\(path)/\(name)"
            if name.hasSuffix(Self.unfinished) || name.hasSuffix(Self.removed) {
                Files.remove(file)
            }
            if name.hasSuffix(Self.replaced), !Files.move(file, to: String(file.dropLast(Self.replaced.count))) {
                Files.remove(file)
            }
        }
    }

    /// Removes all but the newest two and those in `kept`.
    public func prune(keeping kept: Set<Int>) {
        for step in steps.dropLast(2) where !kept.contains(step) {
            // By one rename first: a checkpoint that lacks files never stays.
            let gone = folder(step) + Self.removed
            guard Files.move(folder(step), to: gone) else { continue }
            Files.remove(gone)
        }
    }
}
