import Foundation
import Foundations
import Pixels

/// A folder for one test, gone when the value is.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = "\(FileManager.default.temporaryDirectory.path)/domainfusion-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Writes a file and the folders above it.
    func write(_ text: String, to name: String) throws {
        let file = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    }

    /// Writes a PNG of random pixels about a colour.
    func writeImage(_ name: String, seed: Int, size: Int = 40) throws {
        let file = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        var generator = SeededGenerator(seed: UInt64(seed))
        let colour = (0..<3).map { _ in generator.below(200) }
        let pixels = (0..<size * size * 3).map { UInt8(colour[$0 % 3] + generator.below(56)) }
        try PNG.write(RGBImage(width: size, height: size, pixels: pixels), to: file)
    }

    /// A data set of domains a, b, c and classes cat, dog: `count` images each.
    func makeDataset(_ name: String = "set", count: Int = 5) throws -> String {
        var seed = 0
        for domain in ["a", "b", "c"] {
            for label in ["cat", "dog"] {
                for index in 0..<count {
                    seed += 1
                    try writeImage("\(name)/\(domain)/\(label)/\(index).png", seed: seed)
                }
            }
        }
        return "\(path)/\(name)"
    }
}
