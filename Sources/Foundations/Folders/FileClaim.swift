import Foundation

/// A piece of work that one process at a time has: the lock of a file, held as long as the value lives. A process that is killed
/// lets go, and the next one takes the piece over.
public final class FileClaim {
    private let descriptor: Int32

    /// Takes the file's lock, without waiting; the file is made where it is missing.
    /// - Returns: nil where another process, or another claim of this one, has it.
    /// - Throws: `UserError` where the file cannot be written or locked.
    public init?(_ path: String) throws {
        descriptor = FilePath.withSystemPath(path) { open($0, O_RDWR | O_CREAT | O_CLOEXEC, 0o644) }
        guard descriptor >= 0 else {
            throw UserError("\(path): cannot be written (\(systemMessage())); correct the folder's permissions")
        }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            if code == EINTR { continue }
            close(descriptor)
            if code == EWOULDBLOCK { return nil }
            throw UserError(
                "\(path): cannot be locked (\(String(cString: strerror(code)))); choose a folder on a file system with locks"
            )
        }
    }

    deinit { close(descriptor) }
}
