import Foundation
import Foundations

/// The list of files over which one model's weights are spread (`*.safetensors.index.json`).
public struct SafetensorsIndex: Equatable, Sendable {
    /// Paths of the shards, sorted: all in the folder of the index file.
    public let shards: [String]
    /// For every tensor the path of the shard that holds it.
    public let weightMap: [String: String]

    /// Reads the index at `path`.
    ///
    /// - Throws: `FileFormatError` if it is not such an index, names a file outside its own folder, or a shard is missing.
    public static func read(_ path: String) throws -> SafetensorsIndex {
        let folder = FilePath.folder(of: path)
        let map = try names(path).mapValues { FilePath.join(folder, $0) }
        let shards = Set(map.values).sorted()
        if let missing = shards.first(where: { !Files.exists($0) }) {
            throw FileFormatError(
                path: path, problem: "\(FilePath.name(of: missing)) is missing beside it",
                remedy: "fetch all files of the model")
        }
        return SafetensorsIndex(shards: shards, weightMap: map)
    }

    /// For every tensor the name of the file beside the index that holds it, whether it is there or not.
    ///
    /// - Throws: `FileFormatError` if it is not such an index, or names a file outside its own folder.
    public static func names(_ path: String) throws -> [String: String] {
        let file = try MappedFile(path: path)
        var names: [String: String] = [:]
        try file.withBytes { try ForeignFile.refuse($0, path: path) }
        do {
            try file.withBytes { bytes in
                guard file.count <= SafetensorsHeader.longestHeader else {
                    throw JSONScanner.Failure(problem: "too long")
                }
                var scanner = JSONScanner(bytes)
                try scanner.object { scanner, key in
                    guard key == "weight_map" else { return try scanner.skipValue() }
                    try scanner.object { scanner, tensor in
                        let shard = try scanner.string()
                        guard shard.hasSuffix(".safetensors"), !shard.hasPrefix("."),
                            !shard.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 < 0x20 || $0 == 0x7F })
                        else {
                            throw JSONScanner.Failure(
                                problem: "refuses to open \"\(shortened(shard))\", not a plain file name")
                        }
                        names[tensor] = shard
                    }
                }
                try scanner.end()
                guard !names.isEmpty else { throw JSONScanner.Failure(problem: "no weight_map") }
            }
        } catch let failure as JSONScanner.Failure {
            throw FileFormatError(
                path: path, problem: "not a valid safetensors index: \(failure.problem)", remedy: "fetch the file again"
            )
        }
        return names
    }
}
