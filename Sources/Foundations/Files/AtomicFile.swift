import Foundation

/// Writes whole files so that a reader, or the next start after a crash, finds either the old content or the new.
public enum AtomicFile {
    /// Writes a file beside `path`, syncs it to disk, renames it to `path`, and syncs the folder.
    ///
    /// If anything fails, `path` is as it was and nothing is left beside it. A process that is killed meanwhile may leave
    /// `path.tmp`, which the next writer of `path` takes over.
    ///
    /// - Parameters:
    ///   - isSynced: whether it is on the disk when this returns; otherwise a power failure may leave a file without content,
    ///     for files whose damage is noticed and that can be made again.
    ///   - body: called once with a function that appends bytes.
    /// - Throws: `FileFormatError` naming `path` (no such folder, no permission, disk full), or what `body` throws.
    public static func write(
        to path: String, isSynced: Bool = true,
        _ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        let temporary = try TemporaryFile(for: path)
        do {
            try body(temporary.append)
            try temporary.moveIntoPlace(isSynced: isSynced)
        } catch {
            temporary.remove()
            throw error
        }
        if isSynced { syncFolder(FilePath.folder(of: path)) }
    }

    /// Writes `text` as UTF-8; see ``write(to:isSynced:_:)``.
    public static func write(_ text: String, to path: String, isSynced: Bool = true) throws {
        var text = text
        try text.withUTF8 { utf8 in
            try write(to: path, isSynced: isSynced) { append in try append(UnsafeRawBufferPointer(utf8)) }
        }
    }

    /// Makes a folder and those above it, where they are missing.
    /// - Throws: `FileFormatError` naming the one that cannot be made.
    public static func makeFolder(_ path: String) throws {
        if isFolder(path) { return }
        let parent = FilePath.folder(of: path)
        if parent != path, !Files.exists(parent) { try makeFolder(parent) }
        // Another process may have made it meanwhile.
        guard FilePath.withSystemPath(path, { mkdir($0, 0o777) }) == 0 || errno == EEXIST && isFolder(path) else {
            throw FileFormatError(
                path: path, problem: "the folder cannot be made (\(systemMessage()))",
                remedy: "choose another, or correct the permissions")
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return FilePath.withSystemPath(path) { stat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Syncs a folder's entries. Best effort: some file systems cannot sync a folder, one that may not be read cannot be
    /// opened, and the files in it are there all the same.
    public static func syncFolder(_ path: String) {
        let descriptor = FilePath.withSystemPath(path) { open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}
