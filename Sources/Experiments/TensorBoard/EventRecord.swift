import Foundation

/// The frame of an event in a file: its length, a checksum of that, the event, a checksum of it.
enum EventRecord {
    /// Bytes before an event.
    static let head = 12
    /// Bytes before and after an event.
    static let frame = 16

    /// An event in its frame.
    static func framed(_ event: [UInt8]) -> Data {
        let length = withUnsafeBytes(of: UInt64(event.count).littleEndian) { Array($0) }
        return Data(length + maskedChecksum(length[...]) + event + maskedChecksum(event[...]))
    }

    /// The length of the event whose frame some bytes begin with.
    /// - Parameter bytes: at least ``head`` of them.
    /// - Returns: nil for what is no frame.
    static func length(_ bytes: ArraySlice<UInt8>) -> Int? {
        let length = bytes.prefix(8)
        guard bytes.prefix(head).dropFirst(8).elementsEqual(maskedChecksum(length)) else { return nil }
        return Int(exactly: length.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    /// The event in a whole frame; nil where its checksum is another.
    static func event(_ frame: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let event = frame.dropFirst(head).dropLast(4)
        return frame.suffix(4).elementsEqual(maskedChecksum(event)) ? event : nil
    }

    private static func maskedChecksum(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        let checksum = crc32c(bytes)
        let masked = (checksum >> 15 | checksum << 17) &+ 0xa282_ead8
        return withUnsafeBytes(of: masked.littleEndian) { Array($0) }
    }

    /// CRC-32C (Castagnoli).
    static func crc32c(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        ~bytes.reduce(~0) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 0 ? 0 : 0x82f6_3b78) }
    }
}
