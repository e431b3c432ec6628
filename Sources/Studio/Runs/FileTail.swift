import Foundation
import Foundations

/// The end of a file of a run's folder.
enum FileTail {
    /// The last lines of a text; nil where there is no such file, or it is a link, which may lead anywhere.
    /// - Parameter bytes: how much is read at most; a line that begins before is left out.
    static func lines(_ path: String, bytes: Int = 64 << 10) -> [String]? {
        let descriptor = FilePath.withSystemPath(path) { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        let size = Int(status.st_size)
        let start = max(0, size - bytes)
        let content = [UInt8](unsafeUninitializedCapacity: size - start) { buffer, count in
            count = max(0, pread(descriptor, buffer.baseAddress, buffer.count, off_t(start)))
        }
        var lines = content.split(separator: UInt8(ascii: "\n"))
        if start > 0 { lines = Array(lines.dropFirst()) }
        return lines.map { String(decoding: $0, as: UTF8.self) }
    }
}
