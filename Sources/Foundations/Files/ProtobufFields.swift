/// The fields of a message in protocol buffers' wire format, one after the other. What is no message ends early.
package struct ProtobufFields: Sequence, IteratorProtocol {
    /// A field's value, by how it is written.
    package enum Value: Equatable, Sendable {
        /// A whole number or an enumeration's case.
        case integer(UInt64)
        /// Eight bytes, such as a number of double precision.
        case bits64(UInt64)
        /// A text, bytes or a message.
        case bytes(ArraySlice<UInt8>)
        /// Four bytes, such as a number of single precision.
        case bits32(UInt32)
    }

    private var rest: ArraySlice<UInt8>

    /// The fields of a message's bytes.
    package init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field's number and value; nil at the end.
    package mutating func next() -> (field: Int, value: Value)? {
        guard let key = varint(), let field = Int(exactly: key >> 3) else { return nil }
        let value: Value?
        switch key & 7 {
        case 0: value = varint().map(Value.integer)
        case 1: value = fixed(8).map(Value.bits64)
        case 2: value = varint().flatMap { Int(exactly: $0) }.flatMap { take($0) }.map(Value.bytes)
        case 5: value = fixed(4).map { .bits32(UInt32(truncatingIfNeeded: $0)) }
        default: value = nil
        }
        guard let value else {
            rest = []
            return nil
        }
        return (field, value)
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    private mutating func fixed(_ count: Int) -> UInt64? {
        take(count)?.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
}
