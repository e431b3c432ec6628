import DomainGeneralization
import Foundation
import Foundations

/// One value in a ``ContentStore``.
public struct StoreEntry: Sendable {
    /// What kind of value it is.
    public let kind: StoreKey.Kind
    /// The value's address, 64 hexadecimal digits.
    public let hash: String
    /// The file with the description, `<hash>.json`.
    public let path: String
    /// Size of the entry's files in bytes.
    public let bytes: Int
    /// When it was last written or read.
    public let lastUse: Date

    /// What the value depends on; nil when its file is damaged.
    public var description: JSONValue? {
        guard let data = Files.contents(path) else { return nil }
        return (try? JSONDecoder().decode(ContentStore.Sidecar.self, from: data))?.description
    }
}

/// An entry of a ``ContentStore`` that is damaged.
public struct StoreProblem: Sendable, CustomStringConvertible {
    /// The file of the entry.
    public let path: String
    /// What is wrong with it.
    public let reason: String

    /// The file and what is wrong with it, in one line.
    public var description: String { "\(path): \(reason)" }
}

extension ContentStore {
    /// The entries of the store, of one kind or of all, not verified.
    public func entries(of kind: StoreKey.Kind? = nil) -> [StoreEntry] {
        var entries: [StoreEntry] = []
        forEachFolder { folderKind, path, names in
            guard kind == nil || kind == folderKind else { return }
            for name in names where name.hasSuffix(".json") {
                let stem = "\(path)/\(name.dropLast(5))"
                var sidecar = stat()
                guard FilePath.withSystemPath("\(stem).json", { stat($0, &sidecar) }) == 0 else { continue }
                var content = stat()
                FilePath.withSystemPath("\(stem).\(folderKind.fileExtension)") { _ = stat($0, &content) }
                let time = sidecar.modificationTime
                entries.append(
                    StoreEntry(
                        kind: folderKind, hash: String(name.dropLast(5)), path: "\(stem).json",
                        bytes: Int(sidecar.st_size) + Int(content.st_size), lastUse: time))
            }
        }
        return entries
    }

    /// Reads every entry and compares it with its SHA-256.
    /// - Parameters:
    ///   - remove: deletes what is damaged.
    ///   - progress: called after each entry with the number done.
    /// - Returns: what is damaged.
    /// - Throws: `UserError` when something is to be removed and the store cannot be written.
    public func verify(remove: Bool = false, progress: (Int) -> Void = { _ in }) throws -> [StoreProblem] {
        var problems: [StoreProblem] = []
        var done = 0
        for entry in entries() {
            let stem = String(entry.path.dropLast(5))
            if case .damaged(let reason) = Self.check(stem, kind: entry.kind, hash: entry.hash) {
                problems.append(StoreProblem(path: entry.path, reason: reason))
                if remove { try delete(entry) }
            }
            done += 1
            progress(done)
        }
        return problems
    }

    /// Deletes entries that have not been used for long, then the least recently used ones until the rest fits; and
    /// what killed processes left unfinished.
    /// - Parameters:
    ///   - date: entries last used before it go.
    ///   - maxBytes: what the rest may take.
    /// - Returns: the entries that were deleted.
    /// - Throws: `UserError` when the store cannot be written.
    @discardableResult
    public func prune(usedBefore date: Date? = nil, maxBytes: Int? = nil) throws -> [StoreEntry] {
        let entries = entries().sorted { $0.lastUse < $1.lastUse }
        var left = entries.reduce(0) { $0 + $1.bytes }
        var removed: [StoreEntry] = []
        for entry in entries {
            let isOld = date.map { entry.lastUse < $0 } ?? false
            let isTooMuch = maxBytes.map { left > $0 } ?? false
            guard isOld || isTooMuch else { continue }
            try delete(entry)
            left -= entry.bytes
            removed.append(entry)
        }
        try forEachFolder { _, path, _ in
            // Whoever holds the lock is the only writer: files without a description are nobody's.
            try StoreLock.hold(path) {
                let names = Set(Files.names(in: path) ?? [])
                for name in names where name != ".lock" && !name.hasSuffix(".json") {
                    guard !names.contains(FilePath.withoutExtension(name) + ".json") else { continue }
                    Files.remove("\(path)/\(name)")
                }
            }
        }
        return removed
    }

    /// The description goes first: a reader finds a whole entry or none.
    private func delete(_ entry: StoreEntry) throws {
        let folder = FilePath.folder(of: entry.path)
        try StoreLock.hold(folder) {
            for file in [entry.path, "\(entry.path.dropLast(5)).\(entry.kind.fileExtension)"] {
                guard FilePath.withSystemPath(file, { unlink($0) }) == 0 || errno == ENOENT else {
                    throw UserError(
                        "\(file): cannot be deleted (\(String(cString: strerror(errno)))); correct its permissions")
                }
            }
        }
    }

    private func forEachFolder(_ body: (StoreKey.Kind, String, [String]) throws -> Void) rethrows {
        for kind in StoreKey.Kind.allCases {
            let parent = "\(folder)/\(kind.rawValue)"
            for prefix in (Files.names(in: parent) ?? []).sorted() {
                let path = "\(parent)/\(prefix)"
                guard let names = Files.names(in: path) else { continue }
                try body(kind, path, names.sorted())
            }
        }
    }
}

extension stat {
    fileprivate var modificationTime: Date {
        #if canImport(Darwin)
            let time = st_mtimespec
        #else
            let time = st_mtim
        #endif
        return Date(timeIntervalSince1970: Double(time.tv_sec) + Double(time.tv_nsec) / 1e9)
    }
}
