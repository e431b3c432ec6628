/// A strict, pull-style JSON reader over bytes that are not trusted.
///
/// It allocates only the strings it returns, recurses only as deep as its caller does, and, unlike Foundation's decoder,
/// refuses an object that names a key twice: two readers that disagree on which one counts see two different files.
package struct JSONScanner {
    /// Why the text is refused.
    package struct Failure: Error {
        package let problem: String

        package init(problem: String) {
            self.problem = problem
        }
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    /// Most members and elements of a text: what they are kept in is many times as large.
    private static let mostValues = 4_000_000
    /// How many of them may still come.
    private var room = Self.mostValues

    package init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    private mutating func takeRoom() throws {
        room -= 1
        guard room >= 0 else { throw Failure(problem: "more than \(Self.mostValues) values") }
    }

    /// Reads an object; `member` must read the value of the key it is given.
    package mutating func object(_ member: (inout JSONScanner, _ key: String) throws -> Void) throws {
        try expect("{")
        if take("}") { return }
        var seen = Set<String>()
        repeat {
            try takeRoom()
            let key = try string()
            guard seen.insert(key).inserted else { throw Failure(problem: "key \"\(shortened(key))\" appears twice") }
            try expect(":")
            try member(&self, key)
        } while take(",")
        try expect("}")
    }

    /// Reads an array; `element` must read one value.
    package mutating func array(_ element: (inout JSONScanner) throws -> Void) throws {
        try expect("[")
        if take("]") { return }
        repeat {
            try takeRoom()
            try element(&self)
        } while take(",")
        try expect("]")
    }

    /// Reads one value of any kind, nested at most 32 levels deep. Numbers that are whole, written so and not too large for
    /// `Int` are ``JSONValue/int(_:)``; Python's `NaN`, `Infinity` and `-Infinity` are numbers.
    package mutating func value(depth: Int = 0) throws -> JSONValue {
        guard depth < 32 else { throw Failure(problem: "values nested too deep at byte \(position)") }
        skipSpace()
        switch position < bytes.count ? bytes[position] : 0 {
        case UInt8(ascii: "{"):
            var members: [String: JSONValue] = [:]
            try object { scanner, key in members[key] = try scanner.value(depth: depth + 1) }
            return .object(members)
        case UInt8(ascii: "["):
            var elements: [JSONValue] = []
            try array { scanner in try elements.append(scanner.value(depth: depth + 1)) }
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try string())
        default: return try scalar()
        }
    }

    /// A number, or one of the words.
    private mutating func scalar() throws -> JSONValue {
        let start = position
        while position < bytes.count, isScalar(bytes[position]) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        switch text {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "null": return .null
        case "Infinity": return .double(.infinity)
        case "-Infinity": return .double(-.infinity)
        case "NaN": return .double(.nan)
        default: break
        }
        guard Self.isNumber(text.utf8) else { throw Failure(problem: "expected a value at byte \(start)") }
        if let whole = Int(text) { return .int(whole) }
        guard let number = Double(text), number.isFinite else {
            throw Failure(problem: "number too large at byte \(start)")
        }
        return .double(number)
    }

    /// Whether a text is a number by JSON's grammar: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?
    private static func isNumber(_ text: String.UTF8View) -> Bool {
        var rest = text[...]
        func digits() -> Int {
            let count = rest.prefix { (0x30...0x39).contains($0) }.count
            rest = rest.dropFirst(count)
            return count
        }
        if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        let hasZero = rest.first == UInt8(ascii: "0")
        let whole = digits()
        guard whole > 0, !(hasZero && whole > 1) else { return false }
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            guard digits() > 0 else { return false }
        }
        if let mark = rest.first, mark | 0x20 == UInt8(ascii: "e") {
            rest = rest.dropFirst()
            if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest = rest.dropFirst() }
            guard digits() > 0 else { return false }
        }
        return rest.isEmpty
    }

    /// Reads a whole number in 0 ... `Int.max`, written without sign, fraction or exponent.
    package mutating func wholeNumber() throws -> Int {
        skipSpace()
        let start = position
        var value = 0
        while position < bytes.count, case let digit = bytes[position], (0x30...0x39).contains(digit) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(digit - 0x30))
            guard !overflow, !carry else { throw Failure(problem: "number too large at byte \(start)") }
            value = sum
            position += 1
        }
        let next = position < bytes.count ? bytes[position] : 0
        guard position > start, !(bytes[start] == 0x30 && position > start + 1),
            next != UInt8(ascii: "."), next | 0x20 != UInt8(ascii: "e")
        else { throw Failure(problem: "expected a whole number at byte \(start)") }
        return value
    }

    /// Reads a string; escapes are decoded, and text that is not UTF-8 is refused.
    package mutating func string() throws -> String {
        try expect("\"")
        let start = position
        while position < bytes.count, case let byte = bytes[position], byte != 0x22, byte != 0x5C, byte >= 0x20 {
            position += 1
        }
        guard position < bytes.count, bytes[position] == 0x5C else {
            try closeString()
            return try text(UnsafeRawBufferPointer(rebasing: bytes[start..<position - 1]))
        }
        var decoded = Array(bytes[start..<position])
        while position < bytes.count, case let byte = bytes[position], byte != 0x22, byte >= 0x20 {
            position += 1
            if byte == 0x5C {
                try decoded.append(contentsOf: escape())
            } else {
                decoded.append(byte)
            }
        }
        try closeString()
        return try decoded.withUnsafeBytes { try text($0) }
    }

    /// Skips one value of any kind, nested at most 32 levels deep.
    package mutating func skipValue(depth: Int = 0) throws {
        guard depth < 32 else { throw Failure(problem: "values nested too deep at byte \(position)") }
        skipSpace()
        switch position < bytes.count ? bytes[position] : 0 {
        case UInt8(ascii: "{"): try object { scanner, _ in try scanner.skipValue(depth: depth + 1) }
        case UInt8(ascii: "["): try array { scanner in try scanner.skipValue(depth: depth + 1) }
        case UInt8(ascii: "\""): _ = try string()
        default:
            let start = position
            while position < bytes.count, isScalar(bytes[position]) { position += 1 }
            guard position > start else { throw Failure(problem: "expected a value at byte \(start)") }
        }
    }

    /// Checks that nothing but white space is left.
    package mutating func end() throws {
        skipSpace()
        guard position == bytes.count else { throw Failure(problem: "unexpected text at byte \(position)") }
    }

    // MARK: Tokens

    private mutating func expect(_ character: Unicode.Scalar) throws {
        guard take(character) else { throw Failure(problem: "expected '\(character)' at byte \(position)") }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while position < bytes.count, case let byte = bytes[position],
            byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
        { position += 1 }
    }

    private func isScalar(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."): true
        default: false
        }
    }

    private mutating func closeString() throws {
        guard position < bytes.count else { throw Failure(problem: "text ends inside a string") }
        guard bytes[position] == 0x22 else {
            throw Failure(problem: "control character inside a string at byte \(position)")
        }
        position += 1
    }

    private func text(_ utf8: UnsafeRawBufferPointer) throws -> String {
        guard let text = String(validating: utf8, as: UTF8.self) else { throw Failure(problem: "text is not UTF-8") }
        return text
    }

    // Reads what follows a backslash and returns it as UTF-8.
    private mutating func escape() throws -> [UInt8] {
        guard position < bytes.count else { throw Failure(problem: "text ends inside a string") }
        defer { position += 1 }
        switch bytes[position] {
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [bytes[position]]
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code) {
                guard position + 2 < bytes.count, bytes[position + 1] == 0x5C, bytes[position + 2] == UInt8(ascii: "u")
                else { throw Failure(problem: "half a surrogate pair at byte \(position)") }
                position += 2
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else {
                    throw Failure(problem: "half a surrogate pair at byte \(position)")
                }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else {
                throw Failure(problem: "half a surrogate pair at byte \(position)")
            }
            return Array(String(Character(scalar)).utf8)
        default: throw Failure(problem: "unknown escape in a string at byte \(position)")
        }
    }

    // Reads four hexadecimal digits after the current byte; ends on the last of them.
    private mutating func hexadecimal() throws -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            position += 1
            guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
                throw Failure(problem: "bad \\u escape in a string at byte \(position)")
            }
            code = code << 4 | UInt32(digit)
        }
        return code
    }
}
