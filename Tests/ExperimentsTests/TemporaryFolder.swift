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

    /// A data set of domains a, b, c and classes cat, dog: `count` images of random pixels each.
    func makeDataset(_ name: String = "set", count: Int = 4) throws -> String {
        for (number, domain) in ["a", "b", "c"].enumerated() {
            for (label, folder) in ["cat", "dog"].enumerated() {
                let target = "\(path)/\(name)/\(domain)/\(folder)"
                try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
                for index in 0..<count {
                    var generator = SeededGenerator(seed: 1, domain: number, step: label, index: index)
                    let pixels = (0..<40 * 40 * 3).map { _ in UInt8(100 * label + generator.below(156)) }
                    try PNG.write(RGBImage(width: 40, height: 40, pixels: pixels), to: "\(target)/\(index).png")
                }
            }
        }
        return "\(path)/\(name)"
    }
}
