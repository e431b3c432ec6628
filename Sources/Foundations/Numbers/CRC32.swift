/// The CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320) of a text's UTF-8, as zlib's `crc32`.
public func crc32(_ text: String) -> UInt32 { crc32(text.utf8) }

/// The CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320) of bytes, as zlib's `crc32`.
public func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { $0 >> 8 ^ crcTable[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
}

private let crcTable: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ 0xEDB8_8320 }
}
