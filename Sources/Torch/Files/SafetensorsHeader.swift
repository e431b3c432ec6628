import Foundations

/// Where one tensor lies in a safetensors file.
public struct SafetensorsEntry: Equatable, Sendable {
    /// The tensor's key in the state dict, such as `layer1.0.conv1.weight`.
    public let name: String
    /// Type of the stored elements.
    public let dtype: SafetensorsDType
    /// Sizes of the dimensions, outermost first; empty for a scalar.
    public let shape: [Int]
    /// The tensor's bytes, counted from the start of the file: little-endian, row-major.
    public let range: Range<Int>
}

/// The header of a safetensors file, checked as strictly as the format's reference does, and more strictly where two
/// readers could understand the same file differently (repeated keys, unknown fields, bytes before the header).
///
/// After ``parse(bytes:fileSize:path:)`` every entry's range lies in the file, has exactly the size that its type and
/// shape need, and together they cover the data without holes or overlaps.
public struct SafetensorsHeader: Equatable, Sendable {
    /// All tensors in the order of their bytes.
    public let entries: [SafetensorsEntry]
    /// The free-form text pairs under `__metadata__`.
    public let metadata: [String: String]

    /// Longest header accepted, in bytes (the reference's limit).
    static let longestHeader = 100_000_000
    /// Most tensors accepted in one file; a header made to waste time has more.
    static let mostEntries = 200_000
    /// Most dimensions accepted (libtorch's own limit).
    static let mostDimensions = 64

    /// Reads the header of a mapped file.
    ///
    /// - Parameters:
    ///   - bytes: the file from its first byte; at least the whole header.
    ///   - fileSize: the size of the whole file.
    ///   - path: the file's name, for errors.
    /// - Throws: `FileFormatError` saying what is wrong.
    public static func parse(bytes: UnsafeRawBufferPointer, fileSize: Int, path: String) throws -> SafetensorsHeader {
        try ForeignFile.refuse(bytes, path: path)
        do {
            return try parse(bytes, fileSize: fileSize)
        } catch let failure as JSONScanner.Failure {
            throw FileFormatError(
                path: path, problem: "not a valid safetensors file: \(failure.problem)",
                remedy: "fetch or write the file again")
        }
    }

    /// Reads the header of `file`.
    public static func parse(_ file: MappedFile) throws -> SafetensorsHeader {
        try file.withBytes { try parse(bytes: $0, fileSize: file.count, path: file.path) }
    }

    private static func parse(_ bytes: UnsafeRawBufferPointer, fileSize: Int) throws -> SafetensorsHeader {
        guard bytes.count >= 8, fileSize >= 8 else { throw JSONScanner.Failure(problem: "shorter than 8 bytes") }
        let declared = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard declared <= UInt64(longestHeader) else {
            throw JSONScanner.Failure(problem: "header of \(declared) bytes is longer than \(longestHeader)")
        }
        let dataStart = 8 + Int(declared)
        guard dataStart <= fileSize, dataStart <= bytes.count else {
            throw JSONScanner.Failure(problem: "header of \(declared) bytes is longer than the file")
        }
        let text = UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart])
        guard text.first == UInt8(ascii: "{") else {
            throw JSONScanner.Failure(problem: "header does not begin with '{'")
        }

        var entries: [SafetensorsEntry] = []
        var metadata: [String: String] = [:]
        var scanner = JSONScanner(text)
        try scanner.object { scanner, key in
            if key == "__metadata__" {
                try scanner.object { scanner, key in metadata[key] = try scanner.string() }
            } else {
                guard entries.count < mostEntries else {
                    throw JSONScanner.Failure(problem: "more than \(mostEntries) tensors")
                }
                try entries.append(entry(&scanner, name: key, dataStart: dataStart, fileSize: fileSize))
            }
        }
        try scanner.end()

        entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        var end = dataStart
        for entry in entries {
            guard entry.range.lowerBound == end else {
                throw JSONScanner.Failure(
                    problem: "tensor \"\(shortened(entry.name))\" "
                        + (entry.range.lowerBound < end ? "overlaps another" : "leaves a hole before it"))
            }
            end = entry.range.upperBound
        }
        guard end == fileSize else {
            throw JSONScanner.Failure(problem: "\(fileSize - end) bytes after the last tensor")
        }
        return SafetensorsHeader(entries: entries, metadata: metadata)
    }

    private static func entry(
        _ scanner: inout JSONScanner, name: String, dataStart: Int, fileSize: Int
    ) throws -> SafetensorsEntry {
        let label = "tensor \"\(shortened(name))\""
        var dtype: SafetensorsDType?
        var shape: [Int]?
        var offsets: [Int]?
        try scanner.object { scanner, key in
            switch key {
            case "dtype":
                let code = try scanner.string()
                guard let known = SafetensorsDType(rawValue: code) else {
                    throw JSONScanner.Failure(problem: "\(label) has the unknown dtype \"\(shortened(code))\"")
                }
                dtype = known
            case "shape": shape = try numbers(&scanner, atMost: mostDimensions, label)
            case "data_offsets": offsets = try numbers(&scanner, atMost: 2, label)
            default: throw JSONScanner.Failure(problem: "\(label) has the unknown field \"\(shortened(key))\"")
            }
        }
        guard let dtype, let shape, let offsets, offsets.count == 2 else {
            throw JSONScanner.Failure(problem: "\(label) lacks dtype, shape or two data_offsets")
        }
        guard offsets[0] <= offsets[1], offsets[1] <= fileSize - dataStart else {
            throw JSONScanner.Failure(problem: "\(label) lies outside the file, which may be cut short")
        }
        guard let count = dtype.byteCount(shape), count == offsets[1] - offsets[0] else {
            throw JSONScanner.Failure(
                problem: "\(label) has \(offsets[1] - offsets[0]) bytes, which does not fit \(dtype.rawValue) \(shape)")
        }
        return SafetensorsEntry(
            name: name, dtype: dtype, shape: shape, range: dataStart + offsets[0]..<dataStart + offsets[1])
    }

    private static func numbers(_ scanner: inout JSONScanner, atMost limit: Int, _ label: String) throws -> [Int] {
        var values: [Int] = []
        try scanner.array { scanner in
            guard values.count < limit else {
                throw JSONScanner.Failure(problem: "\(label) lists more than \(limit) numbers")
            }
            try values.append(scanner.wholeNumber())
        }
        return values
    }
}
