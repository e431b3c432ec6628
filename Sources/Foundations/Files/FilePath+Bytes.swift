import Foundation

// Other bytes than UTF-8's are kept in text as the characters of this part of the private area, one for each of 0x80…0xFF.
private let escapes: ClosedRange<UInt32> = 0xF780...0xF7FF

extension FilePath {
    /// The text of a name as the system gives it: UTF-8 as it is, any other byte as a character of U+F780 to U+F7FF.
    public static func text(_ bytes: some Collection<UInt8>) -> String {
        if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: isEscape) {
            return text
        }
        var text = String.UnicodeScalarView()
        var rest = Array(bytes)[...]
        while let first = rest.first {
            let length = sequenceLength(first)
            if let part = String(validating: rest.prefix(length), as: UTF8.self), rest.count >= length,
                !part.unicodeScalars.contains(where: isEscape)
            {
                text.append(contentsOf: part.unicodeScalars)
                rest = rest.dropFirst(length)
            } else {
                // One byte that is no part of a character, or one of a character that would be read as an escape.
                text.append(Unicode.Scalar(escapes.lowerBound + UInt32(first) - 0x80) ?? "?")
                rest = rest.dropFirst()
            }
        }
        return String(text)
    }

    /// The text of a name that ends with a zero byte.
    public static func text(_ name: UnsafePointer<CChar>) -> String {
        text(UnsafeRawBufferPointer(start: name, count: strlen(name)))
    }

    /// Calls `body` with the bytes that the system knows the path by, ending with a zero byte.
    public static func withSystemPath<Result>(
        _ path: String, _ body: (UnsafePointer<CChar>) throws -> Result
    ) rethrows -> Result {
        guard path.unicodeScalars.contains(where: isEscape) else { return try path.withCString(body) }
        var bytes: [CChar] = []
        for scalar in path.unicodeScalars {
            if isEscape(scalar) {
                bytes.append(CChar(bitPattern: UInt8(scalar.value - escapes.lowerBound + 0x80)))
            } else {
                bytes += String(scalar).utf8.map { CChar(bitPattern: $0) }
            }
        }
        return try (bytes + [0]).withUnsafeBufferPointer { try body($0.baseAddress.unsafelyUnwrapped) }
    }

    /// Whether a path has bytes in it that are no UTF-8.
    public static func isEscaped(_ path: String) -> Bool { path.unicodeScalars.contains(where: isEscape) }

    static func isEscape(_ scalar: Unicode.Scalar) -> Bool { escapes.contains(scalar.value) }

    /// How many bytes a character has that begins with this one.
    private static func sequenceLength(_ first: UInt8) -> Int {
        switch first {
        case ..<0x80: 1
        case 0xC2..<0xE0: 2
        case 0xE0..<0xF0: 3
        case 0xF0..<0xF5: 4
        default: 1
        }
    }
}
