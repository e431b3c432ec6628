import Foundation
import Foundations

/// Writes scalars as TensorBoard's event files.
public final class EventWriter {
    private let file: AppendedFile

    /// What the names of event files begin with.
    static let prefix = "events.out.tfevents."

    /// Starts a new event file in a folder.
    /// - Throws: an error of the file system when it cannot be made.
    public init(folder: String, time: Date = Date()) throws {
        let seconds = String(format: "%010d", Int(time.timeIntervalSince1970))
        let host = ProcessInfo.processInfo.hostName
        let path = "\(folder)/\(Self.prefix)\(seconds).\(host).\(ProcessInfo.processInfo.processIdentifier).0"
        file = try AppendedFile(path)
        try file.append(
            Self.record(Self.event(time: time.timeIntervalSince1970, step: 0, version: "brain.Event:2")))
    }

    /// Adds one scalar to the events of its tag.
    public func add(_ tag: String, _ value: Double, step: Int, time: Date = Date()) throws {
        let event = Self.event(time: time.timeIntervalSince1970, step: step, tag: tag, value: Float(value))
        try file.append(Self.record(event))
    }

    /// A record: length, its checksum, data, their checksum.
    static func record(_ data: Data) -> Data {
        let length = withUnsafeBytes(of: UInt64(data.count).littleEndian) { Data($0) }
        return length + maskedChecksum(length) + data + maskedChecksum(data)
    }

    /// `Event { double wall_time = 1; int64 step = 2; string file_version = 3; }`.
    static func event(time: Double, step: Int, version: String) -> Data {
        header(time, step) + field(3, Data(version.utf8))
    }

    /// `Event { …; Summary summary = 5 }` of one `Value { string tag = 1; float simple_value = 2 }`.
    static func event(time: Double, step: Int, tag: String, value: Float) -> Data {
        var content = field(1, Data(tag.utf8))
        content.append(2 << 3 | 5)
        content.append(withUnsafeBytes(of: value.bitPattern.littleEndian) { Data($0) })
        return header(time, step) + field(5, field(1, content))
    }

    private static func header(_ time: Double, _ step: Int) -> Data {
        var result = Data([1 << 3 | 1])
        result.append(withUnsafeBytes(of: time.bitPattern.littleEndian) { Data($0) })
        if step != 0 {
            result.append(2 << 3)
            result.append(varint(UInt64(step)))
        }
        return result
    }

    /// A length-delimited protobuf field.
    private static func field(_ number: UInt8, _ content: Data) -> Data {
        Data([number << 3 | 2]) + varint(UInt64(content.count)) + content
    }

    private static func varint(_ value: UInt64) -> Data {
        var value = value
        var result = Data()
        while value >= 0x80 {
            result.append(UInt8(value & 0x7f) | 0x80)
            value >>= 7
        }
        result.append(UInt8(value))
        return result
    }

    private static func maskedChecksum(_ data: Data) -> Data {
        let checksum = crc32c(data)
        let masked = (checksum >> 15 | checksum << 17) &+ 0xa282_ead8
        return withUnsafeBytes(of: masked.littleEndian) { Data($0) }
    }

    /// CRC-32C (Castagnoli).
    static func crc32c(_ data: Data) -> UInt32 {
        ~data.reduce(~0) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 0 ? 0 : 0x82f6_3b78) }
    }
}
