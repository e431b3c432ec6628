import Crypto
import Foundation
import Pixels
import Torch

/// SHA-256 of contents, as 64 hexadecimal digits.
public enum ContentHash {
    /// Of bytes that follow one another.
    public static func of(_ parts: UnsafeRawBufferPointer...) -> String {
        var hash = SHA256()
        for part in parts { hash.update(bufferPointer: part) }
        return hash.finalize().map { byte in
            let digits = String(byte, radix: 16)
            return byte < 16 ? "0" + digits : digits
        }.joined()
    }

    /// Of a text's UTF-8 bytes.
    public static func of(_ text: String) -> String {
        Array(text.utf8).withUnsafeBytes { of($0) }
    }

    /// Of an image's size and pixels, whatever file it came from.
    public static func of(_ image: RGBImage) -> String {
        let size = [Int64(image.width).littleEndian, Int64(image.height).littleEndian]
        return size.withUnsafeBytes { size in image.pixels.withUnsafeBytes { of(size, $0) } }
    }

    /// Of a file's bytes.
    /// - Throws: `FileFormatError` when it cannot be read.
    public static func of(file path: String) throws -> String {
        let file = try MappedFile(path: path)
        return withExtendedLifetime(file) { of(file.bytes) }
    }
}
