/// A message in protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding), field by field.
struct ProtobufMessage {
    private(set) var bytes: [UInt8] = []

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
    mutating func add(_ field: Int, _ value: Int) {
        key(field, wire: 0)
        varint(UInt64(bitPattern: Int64(value)))
    }

    /// A number of single precision.
    mutating func add(_ field: Int, _ value: Float) {
        key(field, wire: 5)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A text.
    mutating func add(_ field: Int, _ text: String) { add(field, raw: Array(text.utf8)) }

    /// Bytes.
    mutating func add(_ field: Int, raw: some Collection<UInt8>) {
        key(field, wire: 2)
        varint(UInt64(raw.count))
        bytes.append(contentsOf: raw)
    }

    /// A message.
    mutating func add(_ field: Int, _ message: ProtobufMessage) { add(field, raw: message.bytes) }

    /// Whole numbers, packed.
    mutating func add(_ field: Int, packed values: [Int]) {
        var list = ProtobufMessage()
        for value in values { list.varint(UInt64(bitPattern: Int64(value))) }
        add(field, raw: list.bytes)
    }
}
