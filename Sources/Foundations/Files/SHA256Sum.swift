import Crypto
import Foundation

/// SHA-256 of contents, as 64 hexadecimal digits.
public struct SHA256Sum {
    private var hash = SHA256()

    /// The sum of nothing so far.
    public init() {}

    /// Adds bytes to the contents.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    /// Adds a text's UTF-8 bytes.
    public mutating func update(_ text: String) {
        var text = text
        text.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
    }

    /// The sum of what was added, 64 lower-case digits; more may be added after.
    public var hexadecimal: String {
        Foundations.hexadecimal(hash.finalize())
    }

    /// The sum of a text's UTF-8 bytes, 64 hexadecimal digits.
    public static func of(_ text: String) -> String {
        var sum = SHA256Sum()
        sum.update(text)
        return sum.hexadecimal
    }

    /// The sum of bytes that follow one another, 64 hexadecimal digits.
    public static func of(_ parts: UnsafeRawBufferPointer...) -> String {
        var sum = SHA256Sum()
        for part in parts { sum.update(part) }
        return sum.hexadecimal
    }

    /// The sum of a file's bytes, 64 hexadecimal digits.
    /// - Throws: ``FileFormatError`` when it cannot be read.
    public static func of(file path: String) throws -> String {
        guard let found = sizeAndSum(file: path) else {
            throw FileFormatError(
                path: path, problem: "cannot be read (\(systemMessage()))", remedy: "check the path and its permissions"
            )
        }
        return found.sha256
    }

    /// The sum of a file's bytes, read part by part, and how many they are.
    /// - Returns: nil where the file cannot be read; `errno` says why.
    public static func sizeAndSum(file path: String) -> (size: Int, sha256: String)? {
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

/// Bytes as lower-case hexadecimal digits, two each.
package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
}
