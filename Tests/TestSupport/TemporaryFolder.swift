import Foundation
import Foundations
import Pixels

/// A folder for one test, gone when the value is.
public final class TemporaryFolder: Sendable {
    /// The folder's path.
    public let path: String

    /// Makes an empty folder under the system's temporary one.
    public init() throws {
        path = FilePath.join(FileManager.default.temporaryDirectory.path, "domainfusion-\(UUID().uuidString)")
        try AtomicFile.makeFolder(path)
    }

    deinit { Files.remove(path) }

    /// The path of a file in it.
    public func path(_ name: String) -> String { FilePath.join(path, name) }
    /// The same as a URL.
    public func url(_ name: String) -> URL { URL(fileURLWithPath: path(name)) }

    /// Writes a file and the folders above it.
    public func write(_ text: String, to name: String) throws {
        try AtomicFile.makeFolder(FilePath.folder(of: path(name)))
        try AtomicFile.write(text, to: path(name), isSynced: false)
    }

    /// Writes a PNG of random pixels about a colour.
    public func writeImage(_ name: String, seed: Int, size: Int = 40) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let colour = (0..<3).map { _ in generator.below(200) }
        let pixels = (0..<size * size * 3).map { UInt8(colour[$0 % 3] + generator.below(56)) }
        try AtomicFile.makeFolder(FilePath.folder(of: path(name)))
        try PNG.write(RGBImage(width: size, height: size, pixels: pixels), to: path(name))
    }

    /// A data set of domains a, b, c and classes cat, dog: `count` images of random pixels each, dogs the brighter.
    public func makeDataset(_ name: String = "set", count: Int) throws -> String {
        for (number, domain) in ["a", "b", "c"].enumerated() {
            for (label, folder) in ["cat", "dog"].enumerated() {
                try AtomicFile.makeFolder(path("\(name)/\(domain)/\(folder)"))
                for index in 0..<count {
                    var generator = SeededGenerator(seed: 1, domain: number, step: label, index: index)
                    let pixels = (0..<40 * 40 * 3).map { _ in UInt8(100 * label + generator.below(156)) }
                    try PNG.write(
                        RGBImage(width: 40, height: 40, pixels: pixels),
                        to: path("\(name)/\(domain)/\(folder)/\(index).png"))
                }
            }
        }
        return path(name)
    }
}
