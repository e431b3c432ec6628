import Crypto
import Foundation

/// SHA-256 of contents, as 64 hexadecimal digits.
public struct SHA256Sum {
    private var hash = SHA256()

    public init() {}

    public mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    /// Adds a text's UTF-8 bytes.
    public mutating func update(_ text: String) {
        var text = text
        text.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
    }

    public var hexadecimal: String {
        hash.finalize().map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
    }

    public static func of(_ text: String) -> String {
        var sum = SHA256Sum()
        sum.update(text)
        return sum.hexadecimal
    }

    /// Of a file's bytes, read part by part.
    /// - Returns: nil where the file cannot be read; `errno` says why.
    public static func of(file path: String) -> (size: Int, sha256: String)? {
        let descriptor = FilePath.withSystemPath(path) { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var sum = SHA256Sum()
        var size = 0
        var part = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = part.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            guard count > 0 else { return (size, sum.hexadecimal) }
            part.withUnsafeBytes { sum.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            size += count
        }
    }
}
