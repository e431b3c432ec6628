import Foundation
import Pixels

/// The files that scripts/fixtures/pixels.py made.
enum Fixtures {
    static let root = Bundle.module.resourceURL!.appendingPathComponent("Fixtures").path

    static func bytes(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: "\(root)/\(path)")))
    }

    /// Names of the image files, sorted.
    static func images() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(root)/images").sorted()
    }

    /// A binary PPM as Pillow writes it.
    static func ppm(_ path: String) throws -> RGBImage {
        let bytes = try bytes(path)
        let header = bytes.split(separator: 0x0A, maxSplits: 3)
        let size = String(decoding: header[1], as: UTF8.self).split(separator: " ").map { Int($0)! }
        return RGBImage(
            width: size[0], height: size[1], pixels: Array(bytes.suffix(size[0] * size[1] * 3)))
    }

    /// A new empty folder, removed after `body`.
    static func withFolder<T>(_ body: (String) throws -> T) throws -> T {
        let folder = NSTemporaryDirectory() + "/pixels-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try body(folder)
    }
}

/// The largest difference of two samples, and where the images differ in size, 256.
func distance(_ a: RGBImage, _ b: RGBImage) -> Int {
    guard a.width == b.width, a.height == b.height else { return 256 }
    return zip(a.pixels, b.pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
}
