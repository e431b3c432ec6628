import Foundation
import Torch

/// Writes the files of a model folder in diffusers layout.
public enum ModelFolder {
    /// A JSON file with sorted keys, written atomically; its folder is made.
    /// - Throws: ``FileFormatError``.
    public static func write(_ json: [String: Any], to path: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            let data = try JSONSerialization.data(
                withJSONObject: json, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
            try (data + Data("\n".utf8)).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw FileFormatError(path: path, problem: "cannot be written", remedy: "check permissions and free space")
        }
    }
}
