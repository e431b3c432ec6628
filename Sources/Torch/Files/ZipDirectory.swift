import Foundations

/// The table of contents of a zip archive whose members are stored uncompressed, as `torch.save` writes it.
///
/// Only the central directory (zip64 too) is believed; a member's range is checked against the file.
struct ZipDirectory {
    /// Why the archive is refused.
    struct Failure: Error {
        let problem: String
    }

    /// The bytes of every member in the file, by name.
    private(set) var members: [String: Range<Int>] = [:]

    /// Whether a file begins as a zip archive does.
    static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count >= 4 && bytes.loadUnaligned(as: UInt32.self) == UInt32(littleEndian: 0x0403_4B50)
    }

    init(_ bytes: UnsafeRawBufferPointer) throws {
        let (start, size) = try Self.findDirectory(bytes)
        var position = start
        while position < start + size {
            guard try Self.number(bytes, position, UInt32.self) == 0x0201_4B50 else {
                throw Failure(problem: "damaged zip directory")
            }
            let flags = try Self.number(bytes, position + 8, UInt16.self)
            let method = try Self.number(bytes, position + 10, UInt16.self)
            let nameLength = try Self.number(bytes, position + 28, UInt16.self)
            let extraLength = try Self.number(bytes, position + 30, UInt16.self)
            let commentLength = try Self.number(bytes, position + 32, UInt16.self)
            let extraStart = position + 46 + nameLength
            let end = extraStart + extraLength + commentLength
            guard end <= start + size,
                let name = String(validating: bytes[position + 46..<extraStart], as: UTF8.self)
            else { throw Failure(problem: "damaged zip directory") }
            guard flags & 1 == 0, method == 0 else {
                throw Failure(problem: "zip member \"\(shortened(name))\" is compressed or encrypted")
            }
            // Fields too large for 32 bits stand in the zip64 extra field, in this order.
            var fields = try [24, 20, 42].map { try Self.number(bytes, position + $0, UInt32.self) }
            try Self.readZip64(bytes, extraStart..<extraStart + extraLength, into: &fields)
            guard fields[0] == fields[1] else { throw Failure(problem: "damaged zip directory") }
            let range = try Self.dataRange(bytes, header: fields[2], size: fields[0])
            guard members.updateValue(range, forKey: name) == nil else {
                throw Failure(problem: "zip member \"\(shortened(name))\" appears twice")
            }
            position = end
        }
    }

    /// Offset and size of the central directory.
    private static func findDirectory(_ bytes: UnsafeRawBufferPointer) throws -> (start: Int, size: Int) {
        // The end record is 22 bytes and a comment of at most 65,535.
        let earliest = max(0, bytes.count - 22 - 65_535)
        guard bytes.count >= 22,
            let end = stride(from: bytes.count - 22, through: earliest, by: -1).first(where: {
                bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self) == UInt32(littleEndian: 0x0605_4B50)
            })
        else { throw Failure(problem: "zip archive without its directory: the file may be cut short") }
        var size = try number(bytes, end + 12, UInt32.self)
        var start = try number(bytes, end + 16, UInt32.self)
        if size == 0xFFFF_FFFF || start == 0xFFFF_FFFF, end >= 20,
            try number(bytes, end - 20, UInt32.self) == 0x0706_4B50
        {
            let record = try number(bytes, end - 12, UInt64.self)
            guard try number(bytes, record, UInt32.self) == 0x0606_4B50 else {
                throw Failure(problem: "damaged zip directory")
            }
            size = try number(bytes, record + 40, UInt64.self)
            start = try number(bytes, record + 48, UInt64.self)
        }
        guard start <= bytes.count, size <= bytes.count - start else { throw Failure(problem: "damaged zip directory") }
        return (start, size)
    }

    private static func readZip64(
        _ bytes: UnsafeRawBufferPointer, _ extra: Range<Int>, into fields: inout [Int]
    ) throws {
        var position = extra.lowerBound
        while position + 4 <= extra.upperBound {
            let kind = try number(bytes, position, UInt16.self)
            let length = try number(bytes, position + 2, UInt16.self)
            var field = position + 4
            position = field + length
            guard position <= extra.upperBound else { throw Failure(problem: "damaged zip directory") }
            guard kind == 1 else { continue }
            for index in fields.indices where fields[index] == 0xFFFF_FFFF {
                guard field + 8 <= position else { throw Failure(problem: "damaged zip directory") }
                fields[index] = try number(bytes, field, UInt64.self)
                field += 8
            }
        }
    }

    private static func dataRange(_ bytes: UnsafeRawBufferPointer, header: Int, size: Int) throws -> Range<Int> {
        guard try number(bytes, header, UInt32.self) == 0x0403_4B50 else {
            throw Failure(problem: "damaged zip directory")
        }
        let nameLength = try number(bytes, header + 26, UInt16.self)
        let extraLength = try number(bytes, header + 28, UInt16.self)
        let start = header + 30 + nameLength + extraLength
        guard start <= bytes.count, size <= bytes.count - start else {
            throw Failure(problem: "zip member outside the file, which may be cut short")
        }
        return start..<start + size
    }

    /// A little-endian number at `offset`, checked to lie in the file and to fit `Int`.
    private static func number<Number: FixedWidthInteger>(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int, _ type: Number.Type
    ) throws -> Int {
        guard offset >= 0, bytes.count - MemoryLayout<Number>.size >= offset,
            let value = Int(exactly: Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))),
            value <= Int.max / 2
        else { throw Failure(problem: "damaged zip directory") }
        return value
    }
}
