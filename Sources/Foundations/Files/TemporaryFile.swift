import Foundation

/// The file `path.tmp`, which is written and takes the place of `path`.
///
/// It has one writer at a time, who holds a lock on it: what a killed process left is taken over, and two processes that write
/// the same file do it one after the other.
struct TemporaryFile {
    private let path: String
    private let final: String
    private let descriptor: Int32

    /// - Throws: `FileFormatError` naming `path`.
    init(for path: String) throws {
        final = path
        self.path = "\(path).tmp"
        descriptor = try Self.open(self.path, for: path)
    }

    /// Opens and locks the file; again where its last writer has meanwhile renamed it.
    private static func open(_ path: String, for final: String) throws -> Int32 {
        while true {
            let descriptor = FilePath.withSystemPath(path) {
                Foundation.open($0, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
            }
            guard descriptor >= 0 else { throw failure(final) }
            // File systems without locks have single writers as before, but no protection from a second one.
            while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
            var own = stat()
            var named = stat()
            if fstat(descriptor, &own) == 0, FilePath.withSystemPath(path, { lstat($0, &named) }) == 0,
                own.st_ino == named.st_ino, own.st_dev == named.st_dev, ftruncate(descriptor, 0) == 0
            {
                return descriptor
            }
            close(descriptor)
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while let start = rest.baseAddress, rest.count > 0 {
            // Linux writes at most 2 GiB a call.
            let written = write(descriptor, start, min(rest.count, 1 << 30))
            if written < 0 {
                if errno == EINTR { continue }
                throw Self.failure(final)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }

    /// Renames the file.
    func moveIntoPlace(isSynced: Bool) throws {
        guard !isSynced || fsync(descriptor) == 0 else { throw Self.failure(final) }
        let status = FilePath.withSystemPath(path) { from in FilePath.withSystemPath(final) { rename(from, $0) } }
        guard status == 0 else { throw Self.failure(final) }
        close(descriptor)
    }

    /// Removes the file after a failure.
    func remove() {
        FilePath.withSystemPath(path) { _ = unlink($0) }
        close(descriptor)
    }

    private static func failure(_ path: String) -> FileFormatError {
        let code = errno
        let remedy =
            switch code {
            case ENOSPC, EDQUOT: "free some disk space and run again"
            case ENOENT, ENOTDIR: "make its folder first"
            case EACCES, EPERM, EROFS: "choose a folder that you may write to"
            case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
            case EFBIG: "raise the limit on the size of files (ulimit -f)"
            default: "check the disk"
            }
        return FileFormatError(
            path: path, problem: "cannot be written: \(String(cString: strerror(code)))", remedy: remedy)
    }
}
