/// A message in protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding), field by field.
package struct ProtobufMessage {
    /// The message as it is written.
    package private(set) var bytes: [UInt8] = []

    /// An empty message.
    package init() {}

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func key(_ field: Int, wire: UInt64) { varint(UInt64(field) << 3 | wire) }

    /// A whole number or an enumeration's case.
    package mutating func add(_ field: Int, _ value: Int) {
        key(field, wire: 0)
        varint(UInt64(bitPattern: Int64(value)))
    }

    /// A number of single precision.
    package mutating func add(_ field: Int, _ value: Float) {
        key(field, wire: 5)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A number of double precision.
    package mutating func add(_ field: Int, _ value: Double) {
        key(field, wire: 1)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A text.
    package mutating func add(_ field: Int, _ text: String) { add(field, raw: Array(text.utf8)) }

    /// Bytes.
    package mutating func add(_ field: Int, raw: some Collection<UInt8>) {
        key(field, wire: 2)
        varint(UInt64(raw.count))
        bytes.append(contentsOf: raw)
    }

    /// A message.
    package mutating func add(_ field: Int, _ message: ProtobufMessage) { add(field, raw: message.bytes) }

    /// Whole numbers, packed.
    package mutating func add(_ field: Int, packed values: [Int]) {
        var list = ProtobufMessage()
        for value in values { list.varint(UInt64(bitPattern: Int64(value))) }
        add(field, raw: list.bytes)
    }
}
