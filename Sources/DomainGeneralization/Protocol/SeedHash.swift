import Crypto
import Foundation

/// An argument of ``seedHash(_:)``, written as Python's `repr` writes it.
public enum SeedPart: Sendable, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral {
    /// A whole number: `3`.
    case int(Int)
    /// A text in quotation marks: `'lr'`.
    case string(String)
    /// A list in brackets: `[0, 1]`.
    case list([SeedPart])

    /// A whole number, as Python's `repr` writes it: `seedHash(0, 2)`.
    public init(integerLiteral value: Int) { self = .int(value) }
    /// A text, in Python's quotation marks.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A list of parts, in Python's brackets.
    public init(arrayLiteral elements: SeedPart...) { self = .list(elements) }

    var repr: String {
        switch self {
        case .int(let value): return String(value)
        case .list(let parts): return "[\(parts.map(\.repr).joined(separator: ", "))]"
        case .string(let text):
            let quote = text.contains("'") && !text.contains("\"") ? "\"" : "'"
            let escaped = text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\n", with: "\\n")
            return quote + (quote == "'" ? escaped.replacingOccurrences(of: "'", with: "\\'") : escaped) + quote
        }
    }
}

/// DomainBed's `seed_hash`: the MD5 of the arguments as Python prints their tuple, modulo 2³¹.
public func seedHash(_ parts: SeedPart...) -> Int {
    let list = parts.map(\.repr).joined(separator: ", ")
    let digest = Array(Insecure.MD5.hash(data: Data("(\(list)\(parts.count == 1 ? "," : ""))".utf8)))
    return digest.suffix(4).reduce(0) { $0 << 8 | Int($1) } & 0x7fff_ffff
}
