import Foundations

/// Writes a zip archive whose members are stored uncompressed, as `torch.save` does.
struct ZipWriter {
    private var directory: [UInt8] = []
    private var members = 0
    private var position = 0
    /// Takes the archive's bytes in their order.
    typealias Append = (UnsafeRawBufferPointer) throws -> Void

    /// Adds a member.
    /// - Throws: `UserError` for an archive that grows beyond what the format without zip64 holds; what `append` throws.
    mutating func add(_ name: String, _ bytes: UnsafeRawBufferPointer, to append: Append) throws {
        let name = Array(name.utf8)
        guard position + bytes.count + name.count + 128 < Int(UInt32.max), members < Int(UInt16.max) else {
            throw UserError("a .pth file holds at most 4 GiB here; export safetensors")
        }
        // Members begin at multiples of 64, so that they can be mapped: the extra field fills the gap.
        let start = position + 30 + name.count
        let padding = (64 - (start + 4) % 64) % 64
        let extra = Self.number(UInt16(0x4246)) + Self.number(UInt16(padding)) + [UInt8](repeating: 0, count: padding)
        let sum = Self.number(crc32(bytes)) + Self.number(UInt32(bytes.count)) + Self.number(UInt32(bytes.count))
        // Version 2.0, no flags, stored, no time.
        let common = Self.number(UInt16(20)) + [UInt8](repeating: 0, count: 8) + sum + Self.number(UInt16(name.count))
        let header = Self.number(UInt32(0x0403_4B50)) + common + Self.number(UInt16(extra.count)) + name + extra
        directory += Self.number(UInt32(0x0201_4B50)) + Self.number(UInt16(20)) + common
        // No extra field, comment, disk or attributes.
        directory += [UInt8](repeating: 0, count: 12) + Self.number(UInt32(position)) + name
        try write(header, to: append)
        try append(bytes)
        position += bytes.count
        members += 1
    }

    /// Writes the directory.
    mutating func finish(_ append: Append) throws {
        let (start, size) = (UInt32(position), UInt32(directory.count))
        let count = Self.number(UInt16(members))
        try write(
            directory + Self.number(UInt32(0x0605_4B50)) + [0, 0, 0, 0] + count + count + Self.number(size)
                + Self.number(start) + [0, 0], to: append)
    }

    private mutating func write(_ bytes: [UInt8], to append: Append) throws {
        try bytes.withUnsafeBytes(append)
        position += bytes.count
    }

    private static func number(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian, Array.init)
    }
}
