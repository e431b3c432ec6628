import Foundation

/// A JSON file that is not trusted.
public enum JSONFile {
    /// Longest file accepted, in bytes: configurations and vocabularies are far shorter.
    static let longest = 64_000_000

    /// Reads a JSON object, refusing one that names a key twice, as ``SafetensorsHeader`` does. What Python writes for
    /// numbers that JSON has no words for is read as a string: `-Infinity`, `Infinity`, `NaN`.
    /// - Throws: ``FileFormatError`` naming the file and what is wrong with it.
    public static func object(_ path: String) throws -> [String: Any] {
        let file = try MappedFile(path: path)
        return try file.withBytes { raw in
            guard raw.count <= longest else {
                throw FileFormatError(
                    path: path, problem: "not valid JSON: \(raw.count) bytes are too long",
                    remedy: "fetch the file again")
            }
            let data = quotingNumbers(Data(raw))
            try data.withUnsafeBytes { try scan($0, path) { try $0.skipValue() } }
            guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
                throw FileFormatError(path: path, problem: "not a JSON object", remedy: "fetch the file again")
            }
            return object
        }
    }

    /// Reads a JSON object of whole numbers, such as a tokenizer's vocabulary, with the same refusals.
    /// - Throws: ``FileFormatError`` naming the file and what is wrong with it.
    public static func wholeNumbers(_ path: String) throws -> [String: Int] {
        var numbers: [String: Int] = [:]
        try MappedFile(path: path).withBytes { bytes in
            try scan(bytes, path) { scanner in
                try scanner.object { scanner, key in numbers[key] = try scanner.wholeNumber() }
            }
        }
        return numbers
    }

    /// Has `body` read one value, which must be all that there is.
    private static func scan(
        _ bytes: UnsafeRawBufferPointer, _ path: String, _ body: (inout JSONScanner) throws -> Void
    ) throws {
        do {
            var scanner = JSONScanner(bytes)
            try body(&scanner)
            try scanner.end()
        } catch let failure as JSONScanner.Failure {
            throw FileFormatError(
                path: path, problem: "not valid JSON: \(failure.problem)", remedy: "fetch the file again")
        }
    }

    private static func quotingNumbers(_ data: Data) -> Data {
        guard ["Infinity", "NaN"].contains(where: { data.range(of: Data($0.utf8)) != nil }) else { return data }
        let text = String(decoding: data, as: UTF8.self)
        return Data(text.replacing(/([:\[,]\s*)(-?Infinity|NaN)(?=\s*[,\]}])/) { "\($0.1)\"\($0.2)\"" }.utf8)
    }
}
