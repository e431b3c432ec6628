import Experiments
import Foundation
import Foundations

/// The few settings of a run that a list shows.
///
/// They are found in the text that runs are begun with by the beginnings of their lines: to parse all of it would take most of
/// the time of a list. What is written in another way goes through the parser.
struct RunHead: Sendable, Equatable {
    var variant = ""
    var algorithm = ""
    /// The data set's folder.
    var data = ""
    var heldOut: [String] = []
    var steps = 0

    init(text: Data) throws {
        if let plain = Self(plain: text) {
            self = plain
            return
        }
        let settings = try YAML.parse(String(decoding: text, as: UTF8.self), name: "config.yaml")
        variant = settings["variant"]?.string ?? ""
        algorithm = settings["algorithm"]?["name"]?.string ?? ""
        data = settings["data"]?.string ?? ""
        heldOut = settings["testDomains"]?.array?.compactMap(\.string) ?? []
        steps = settings["steps"]?.int ?? 0
    }

    /// Nil where something is missing, or not written plainly.
    private init?(plain text: Data) {
        let bytes = [newline] + text + [0]
        let found: RunHead? = bytes.withUnsafeBytes { bytes -> RunHead? in
            guard let start = bytes.bindMemory(to: CChar.self).baseAddress, let group = strstr(start, "\nalgorithm:\n"),
                let name = Self.value("  name", after: group), Self.isIndented(from: group + 1, to: name.line),
                let data = Self.value("data", after: start), let held = Self.value("testDomains", after: start),
                let steps = Self.value("steps", after: start).flatMap({ Int($0.text) }),
                let variant = Self.value("variant", after: start),
                held.text.hasPrefix("["), held.text.hasSuffix("]")
            else { return nil }
            var head = RunHead()
            for (value, path) in [
                (name.text, \RunHead.algorithm), (data.text, \RunHead.data), (variant.text, \RunHead.variant),
            ] {
                guard value == "''" || !value.isEmpty && Self.isPlain(value) else { return nil }
                head[keyPath: path] = value == "''" ? "" : value
            }
            let names = String(held.text.dropFirst().dropLast())
            guard Self.isPlain(names) else { return nil }
            head.heldOut = names.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            head.steps = steps
            return head
        }
        guard let found else { return nil }
        self = found
    }

    private init() {}

    /// What stands behind a key at the beginning of a line.
    private static func value(
        _ key: String, after start: UnsafePointer<CChar>
    ) -> (line: UnsafePointer<CChar>, text: String)? {
        guard let line = strstr(start, "\n\(key): ") else { return nil }
        let begin = line + key.utf8.count + 3
        let end = strchr(begin, Int32(newline)) ?? begin + strlen(begin)
        let text = String(decoding: UnsafeRawBufferPointer(start: begin, count: end - begin), as: UTF8.self)
        return (UnsafePointer(line), text)
    }

    /// Whether all lines between two places belong to the group that the first line begins.
    private static func isIndented(from start: UnsafePointer<CChar>, to end: UnsafePointer<CChar>) -> Bool {
        var line = UnsafePointer(strchr(start, Int32(newline)))
        while let place = line, place < end {
            guard place[1] == CChar(bitPattern: UInt8(ascii: " ")) else { return false }
            line = UnsafePointer(strchr(place + 1, Int32(newline)))
        }
        return true
    }

    /// Whether YAML takes a text for nothing but itself, wherever it stands.
    private static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "/"),
                UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: " "), UInt8(ascii: ","):
                true
            default: false
            }
        }
    }
}

private let newline = UInt8(ascii: "\n")
