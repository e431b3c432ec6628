import Foundation
import Foundations
import Pixels

/// Writes scalars, images and a run's settings as TensorBoard's event files.
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
            EventRecord.framed(Self.event(time: time.timeIntervalSince1970, step: 0, version: "brain.Event:2")))
    }

    /// Adds one scalar to the events of its tag.
    public func add(_ tag: String, _ value: Double, step: Int, time: Date = Date()) throws {
        let event = Self.event(time: time.timeIntervalSince1970, step: step, tag: tag, value: Float(value))
        try file.append(EventRecord.framed(event))
    }

    /// Adds an image to the events of its tag.
    /// - Throws: also `ImageError` for one that is too large for a PNG.
    public func add(_ tag: String, _ image: RGBImage, step: Int, time: Date = Date()) throws {
        var content = ProtobufMessage()
        content.add(1, image.height)
        content.add(2, image.width)
        content.add(3, 3)  // RGB
        content.add(4, raw: try PNG.encode(image))
        var value = ProtobufMessage()
        value.add(1, tag)
        value.add(4, content)
        try file.append(EventRecord.framed(Self.event(time: time.timeIntervalSince1970, step: step, value)))
    }

    /// Adds the settings of the run, for TensorBoard's page of hyperparameters; the run's scalars are its metrics.
    /// - Parameter settings: numbers, truth values and texts; others are shown as JSON.
    public func add(settings: [String: JSONValue], time: Date = Date()) throws {
        var session = ProtobufMessage()
        for (name, setting) in settings.sorted(by: { $0.key < $1.key }) {
            var value = ProtobufMessage()
            switch setting {
            case .int(let number): value.add(2, Double(number))
            case .double(let number): value.add(2, number)
            case .bool(let flag): value.add(4, flag ? 1 : 0)
            case .string(let text): value.add(3, text)
            default: value.add(3, setting.text)
            }
            var entry = ProtobufMessage()
            entry.add(1, name)
            entry.add(2, value)
            session.add(1, entry)
        }
        session.add(5, time.timeIntervalSince1970)
        try addSession("_hparams_/session_start_info", field: 3, session, time: time)
    }

    /// Adds that the run has ended well.
    public func addEnd(time: Date = Date()) throws {
        var session = ProtobufMessage()
        session.add(1, 1)  // STATUS_SUCCESS
        session.add(2, time.timeIntervalSince1970)
        try addSession("_hparams_/session_end_info", field: 4, session, time: time)
    }

    /// A summary of the plugin `hparams`: what it says is in the metadata, beside a tensor without elements.
    private func addSession(_ tag: String, field: Int, _ session: ProtobufMessage, time: Date) throws {
        var data = ProtobufMessage()
        data.add(field, session)
        var plugin = ProtobufMessage()
        plugin.add(1, "hparams")
        plugin.add(2, data)
        var metadata = ProtobufMessage()
        metadata.add(1, plugin)
        var shape = ProtobufMessage()
        shape.add(2, ProtobufMessage())
        var tensor = ProtobufMessage()
        tensor.add(1, 1)  // DT_FLOAT
        tensor.add(2, shape)
        var value = ProtobufMessage()
        value.add(1, tag)
        value.add(8, tensor)
        value.add(9, metadata)
        try file.append(EventRecord.framed(Self.event(time: time.timeIntervalSince1970, step: 0, value)))
    }

    /// `Event { double wall_time = 1; int64 step = 2; string file_version = 3; }`.
    static func event(time: Double, step: Int, version: String) -> [UInt8] {
        var event = head(time, step)
        event.add(3, version)
        return event.bytes
    }

    /// The event of one `Value { string tag = 1; float simple_value = 2 }`.
    static func event(time: Double, step: Int, tag: String, value: Float) -> [UInt8] {
        var content = ProtobufMessage()
        content.add(1, tag)
        content.add(2, value)
        return event(time: time, step: step, content)
    }

    /// `Event { …; Summary summary = 5 }` of `Summary { Value value = 1 }`.
    private static func event(time: Double, step: Int, _ value: ProtobufMessage) -> [UInt8] {
        var summary = ProtobufMessage()
        summary.add(1, value)
        var event = head(time, step)
        event.add(5, summary)
        return event.bytes
    }

    private static func head(_ time: Double, _ step: Int) -> ProtobufMessage {
        var event = ProtobufMessage()
        event.add(1, time)
        if step != 0 { event.add(2, step) }
        return event
    }
}
