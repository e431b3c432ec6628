import Foundation
import Foundations

/// A scalar of an event file.
package struct EventScalar: Equatable, Sendable {
    package let tag: String
    package let value: Double
    package let step: Int
    /// Seconds since 1970.
    package let time: Double
}

/// An event file that is read piece by piece, also while a run writes it.
package struct EventFile: Sendable {
    package let path: String
    /// What lies before this byte was read, or passed over.
    private(set) var offset = 0

    /// Longest piece that is read at a time, in bytes; a longer event, which no scalar is, is passed over.
    private static let piece = 1 << 20

    init(_ path: String) { self.path = path }

    /// The event files of a run in the order in which they were begun.
    package static func all(in folder: String) -> [EventFile] {
        (Files.names(in: folder) ?? []).filter { $0.hasPrefix(EventWriter.prefix) }.map { EventFile("\(folder)/\($0)") }
    }

    /// The scalars of the next piece.
    /// - Returns: nil where no whole event is left; later there may be one.
    package mutating func next() -> [EventScalar]? {
        let (bytes, size) = read()
        var rest = bytes[...]
        var scalars: [EventScalar] = []
        // What is no frame ends the file: where the next one begins is not known.
        while rest.count >= EventRecord.head, let length = EventRecord.length(rest) {
            guard length <= size - offset - EventRecord.frame else { break }
            let whole = length + EventRecord.frame
            if rest.count >= whole {
                if let event = EventRecord.event(rest.prefix(whole)) { scalars += Self.scalars(of: event) }
            } else if whole <= Self.piece {
                break
            }
            offset += whole
            rest = rest.dropFirst(whole)
        }
        return rest.startIndex > 0 ? scalars : nil
    }

    private func read() -> (bytes: [UInt8], size: Int) {
        let descriptor = FilePath.withSystemPath(path) { open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { return ([], 0) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return ([], 0) }
        let size = Int(status.st_size)
        let bytes = [UInt8](unsafeUninitializedCapacity: max(0, min(Self.piece, size - offset))) { buffer, count in
            count = max(0, pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)))
        }
        return (bytes, size)
    }

    /// The scalars of an event: ours have one each.
    private static func scalars(of event: ArraySlice<UInt8>) -> [EventScalar] {
        var time = 0.0
        var step = 0
        var values: [(tag: String, value: Float)] = []
        for (field, value) in ProtobufFields(event) {
            switch (field, value) {
            case (1, .bits64(let bits)): time = Double(bitPattern: bits)
            case (2, .integer(let number)): step = Int(truncatingIfNeeded: number)
            case (5, .bytes(let summary)):
                for case (1, .bytes(let content)) in ProtobufFields(summary) {
                    if let value = scalar(content) { values.append(value) }
                }
            default: break
            }
        }
        // The shortest number of that precision: 0.65, not 0.6499999761581421.
        return values.map { EventScalar(tag: $0.tag, value: Double("\($0.value)") ?? .nan, step: step, time: time) }
    }

    private static func scalar(_ content: ArraySlice<UInt8>) -> (tag: String, value: Float)? {
        var tag: String?
        var number: Float?
        for (field, value) in ProtobufFields(content) {
            switch (field, value) {
            case (1, .bytes(let text)): tag = String(decoding: text, as: UTF8.self)
            case (2, .bits32(let bits)): number = Float(bitPattern: bits)
            default: break
            }
        }
        guard let tag, let number else { return nil }
        return (tag, number)
    }
}
