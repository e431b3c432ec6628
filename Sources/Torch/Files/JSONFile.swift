import Foundation

/// A JSON file that is not trusted.
public enum JSONFile {
    /// Longest file accepted, in bytes: configurations and vocabularies are far shorter.
    static let longest = 64_000_000

    /// Reads a JSON object, refusing one that names a key twice, as ``SafetensorsHeader`` does.
    /// - Throws: ``FileFormatError`` naming the file and what is wrong with it.
    public static func object(_ path: String) throws -> [String: Any] {
        let file = try MappedFile(path: path)
        return try file.withBytes { bytes in
            do {
                guard bytes.count <= longest else { throw JSONScanner.Failure(problem: "\(bytes.count) bytes are too long") }
                var scanner = JSONScanner(bytes)
                try scanner.skipValue()
                try scanner.end()
            } catch let failure as JSONScanner.Failure {
                throw FileFormatError(
                    path: path, problem: "not valid JSON: \(failure.problem)", remedy: "fetch the file again")
            }
            guard let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else {
                throw FileFormatError(path: path, problem: "not a JSON object", remedy: "fetch the file again")
            }
            return object
        }
    }
}
