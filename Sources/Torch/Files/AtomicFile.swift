import Foundation
import Foundations

/// Writes whole files so that a reader, or the next start after a crash, finds either the old content or the new.
public enum AtomicFile {
    /// Writes a file beside `path`, syncs it to disk, renames it to `path`, and syncs the folder.
    ///
    /// If anything fails, `path` is as it was and nothing is left beside it; only where the disk fails in the last of
    /// these, `path` is the new file.
    ///
    /// - Parameter body: called once with a function that appends bytes.
    /// - Throws: `FileFormatError` naming `path` (no such folder, no permission, disk full), or what `body` throws.
    public static func write(
        to path: String, _ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        let temporary = "\(path).tmp-\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure(path) }
        var isOpen = true
        do {
            try body { try writeAll($0, to: descriptor, path: path) }
            guard fsync(descriptor) == 0 else { throw failure(path) }
            isOpen = false
            guard close(descriptor) == 0 else { throw failure(path) }
            guard rename(temporary, path) == 0 else { throw failure(path) }
        } catch {
            if isOpen { close(descriptor) }
            unlink(temporary)
            throw error
        }
        try syncFolder(of: path)
    }

    /// Writes `text` as UTF-8; see ``write(to:_:)``.
    public static func write(_ text: String, to path: String) throws {
        var text = text
        try text.withUTF8 { utf8 in
            try write(to: path) { append in try append(UnsafeRawBufferPointer(utf8)) }
        }
    }

    /// Makes a folder and those above it, where they are missing.
    /// - Throws: `FileFormatError` naming the one that cannot be made.
    public static func makeFolder(_ path: String) throws {
        if isFolder(path) { return }
        let parent = FilePath.folder(of: path)
        if parent != path, !FileManager.default.fileExists(atPath: parent) { try makeFolder(parent) }
        // Another process may have made it meanwhile.
        guard mkdir(path, 0o777) == 0 || errno == EEXIST && isFolder(path) else {
            throw FileFormatError(
                path: path, problem: "the folder cannot be made (\(systemMessage()))",
                remedy: "choose another, or correct the permissions")
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws {
        var rest = bytes
        while let start = rest.baseAddress, rest.count > 0 {
            // Linux writes at most 2 GiB a call.
            let written = Foundation.write(descriptor, start, min(rest.count, 1 << 30))
            if written < 0 {
                if errno == EINTR { continue }
                throw failure(path)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }

    private static func syncFolder(of path: String) throws {
        let descriptor = open(FilePath.folder(of: path), O_RDONLY | O_CLOEXEC)
        // A folder that may be written to but not read cannot be synced.
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // Some file systems cannot sync a folder; they say EINVAL and keep the rename anyway.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure(path) }
    }

    private static func failure(_ path: String) -> FileFormatError {
        let code = errno
        let remedy =
            switch code {
            case ENOSPC, EDQUOT: "free some disk space and run again"
            case ENOENT, ENOTDIR: "make its folder first"
            case EACCES, EPERM, EROFS: "choose a folder that you may write to"
            default: "check the disk"
            }
        return FileFormatError(
            path: path, problem: "cannot be written: \(String(cString: strerror(code)))", remedy: remedy)
    }
}
