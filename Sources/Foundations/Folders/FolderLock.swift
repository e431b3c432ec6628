import Foundation

/// Holds a folder for one training as long as the value lives; a process that is killed lets go.
public final class FolderLock {
    private let path: String
    private let descriptor: Int32

    private static func file(_ folder: String) -> String { "\(folder)/.lock" }

    /// Takes the folder, or says that another process has it; does not wait.
    /// - Parameter option: the option that names the folder, for errors.
    /// - Throws: ``FolderInUse``, or ``UserError`` where the folder cannot be locked.
    public init(_ path: String, option: String) throws {
        self.path = path
        let descriptor = FilePath.withSystemPath(Self.file(path)) { open($0, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644) }
        guard descriptor >= 0 else {
            throw UserError(
                "\(path): the folder cannot be written (\(String(cString: strerror(errno)))); choose another with "
                    + "\(option), or correct its permissions")
        }
        self.descriptor = descriptor
        // A process that was just killed needs a moment to go.
        for _ in 0..<40 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return }
            guard errno == EWOULDBLOCK || errno == EINTR else {
                throw UserError(
                    "\(path): cannot be locked (\(String(cString: strerror(errno)))); choose a folder on a file system with "
                        + "locks (\(option))")
            }
            usleep(50_000)
        }
        throw FolderInUse(path: path, option: option)
    }

    deinit { close(descriptor) }

    /// Whether a process holds a folder at this moment.
    public static func isHeld(_ path: String) -> Bool {
        let descriptor = FilePath.withSystemPath(file(path)) { open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    /// Checks that the folder is still there and held, before something is written into it.
    /// - Throws: ``UserError`` once the folder is gone: what is written then would be half of a training.
    public func check() throws {
        var own = stat()
        guard fstat(descriptor, &own) == 0, own.st_nlink > 0 else {
            throw UserError(
                "\(path): the folder was removed while the training used it; what it held is lost, begin again")
        }
    }
}

/// Another process trains in a folder.
public struct FolderInUse: Error, CustomStringConvertible {
    /// The folder that another process holds.
    public let path: String
    /// The option that names the folder.
    public let option: String

    /// `EX_TEMPFAIL`: the same command may succeed later.
    public static let exitStatus: Int32 = 75

    /// The folder and the remedy, in one line.
    public var description: String {
        "\(path): another process is training in this folder; wait for it, or choose another \(option)"
    }
}
