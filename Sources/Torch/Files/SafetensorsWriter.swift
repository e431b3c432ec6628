import Foundations

/// Writes safetensors files as the reference implementation does, byte for byte, and atomically.
public enum SafetensorsWriter {
    /// One tensor to be written.
    public typealias Entry = (name: String, dtype: SafetensorsDType, shape: [Int], bytes: UnsafeRawBufferPointer)

    /// Writes `entries` to `path`: tensors sorted by alignment (widest first), then name; the header padded to 8 bytes.
    ///
    /// - Parameters:
    ///   - entries: tensors with different names, each with its little-endian, row-major bytes.
    ///   - metadata: free-form text pairs; `["format": "pt"]` is customary for PyTorch weights.
    /// - Throws: `FileFormatError` if the file cannot be written; `path` is then as it was.
    /// - Precondition: every entry's bytes are exactly as many as its type and shape need, and names differ.
    public static func write(entries: [Entry], metadata: [String: String] = [:], to path: String) throws {
        let sorted = entries.sorted { left, right in
            left.dtype != right.dtype
                ? left.dtype > right.dtype : left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
        }
        let header = self.header(sorted, metadata)
        try AtomicFile.write(to: path) { append in
            try header.withUnsafeBytes { try append($0) }
            for entry in sorted { try append(entry.bytes) }
        }
    }

    private static func header(_ sorted: [Entry], _ metadata: [String: String]) -> [UInt8] {
        var members: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
            members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        var offset = 0
        var names = Set<String>()
        for entry in sorted {
            precondition(
                entry.name != "__metadata__" && names.insert(entry.name).inserted, "two tensors named \(entry.name)")
            precondition(
                entry.dtype.byteCount(entry.shape) == entry.bytes.count,
                "\(entry.name): \(entry.bytes.count) bytes for \(entry.dtype.rawValue) \(entry.shape)")
            let shape = entry.shape.map(String.init).joined(separator: ",")
            let end = offset + entry.bytes.count
            members.append(
                "\(quoted(entry.name)):{\"dtype\":\"\(entry.dtype.rawValue)\",\"shape\":[\(shape)],"
                    + "\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var text = Array("{\(members.joined(separator: ","))}".utf8)
        text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - text.count % 8) % 8))
        return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
    }

    /// `text` as a JSON string, escaped as serde does.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{8}": result += "\\b"
            case "\u{C}": result += "\\f"
            case _ where scalar.value < 0x20:
                result += "\\u00" + (scalar.value < 0x10 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
