import Foundation

/// A file that grows: a log, or TensorBoard's events.
public final class AppendedFile {
    private let path: String
    private let descriptor: Int32

    /// Opens a file at its end; makes it where it is missing.
    /// - Throws: ``AppendedFile/Failure`` naming the file.
    public init(_ path: String) throws {
        self.path = path
        descriptor = FilePath.withSystemPath(path) { open($0, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644) }
        guard descriptor >= 0 else { throw Failure(path: path, code: errno) }
    }

    deinit { close(descriptor) }

    /// Writes all of the data at the file's end.
    /// - Throws: ``AppendedFile/Failure`` naming the file.
    public func append(_ data: Data) throws {
        try data.withUnsafeBytes { bytes in
            var rest = bytes
            while let start = rest.baseAddress, rest.count > 0 {
                let written = write(descriptor, start, rest.count)
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { throw Failure(path: path, code: errno) }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }

    /// One line that names the file, the system's reason and the remedy.
    public struct Failure: Error, CustomStringConvertible, Sendable {
        let path: String
        let code: Int32

        /// The file, the system's reason and the remedy, in one line.
        public var description: String {
            let remedy = [ENOSPC, EDQUOT].contains(code) ? "free some disk space" : "check its folder and permissions"
            return "\(path): cannot be written: \(String(cString: strerror(code))); \(remedy), and run again"
        }
    }
}
