/// A JSON file that is not trusted.
public enum JSONFile {
    /// Longest file accepted, in bytes: configurations and vocabularies are far shorter.
    private static let longest = 64_000_000

    /// Reads a JSON object, refusing one that names a key twice; see ``JSONValue/init(json:)``.
    /// - Throws: ``FileFormatError`` naming the file and what is wrong with it.
    public static func object(_ path: String) throws -> [String: JSONValue] {
        try MappedFile(path: path).withBytes { try object($0, path: path) }
    }

    /// The same of a text that stands in a file.
    public static func object(_ text: String, in path: String) throws -> [String: JSONValue] {
        try Array(text.utf8).withUnsafeBytes { try object($0, path: path) }
    }

    private static func object(_ bytes: UnsafeRawBufferPointer, path: String) throws -> [String: JSONValue] {
        var value = JSONValue.null
        try scan(bytes, path) { value = try $0.value() }
        guard let object = value.object else {
            throw FileFormatError(path: path, problem: "not a JSON object", remedy: "fetch the file again")
        }
        return object
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

    /// Writes an object with sorted keys, one a line, atomically; its folder is made.
    /// - Throws: ``FileFormatError``.
    public static func write(_ object: [String: JSONValue], to path: String) throws {
        try AtomicFile.makeFolder(FilePath.folder(of: path))
        try AtomicFile.write(JSONValue.object(object).prettyText + "\n", to: path)
    }

    /// Has `body` read one value, which must be all that there is.
    private static func scan(
        _ bytes: UnsafeRawBufferPointer, _ path: String, _ body: (inout JSONScanner) throws -> Void
    ) throws {
        try ForeignFile.refuse(bytes, path: path)
        do {
            guard bytes.count <= longest else {
                throw JSONScanner.Failure(problem: "\(bytes.count) bytes are too long")
            }
            var scanner = JSONScanner(bytes)
            try body(&scanner)
            try scanner.end()
        } catch let failure as JSONScanner.Failure {
            throw FileFormatError(
                path: path, problem: "not valid JSON: \(failure.problem)", remedy: "fetch the file again")
        }
    }
}
