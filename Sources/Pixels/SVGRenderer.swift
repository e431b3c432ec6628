import CRsvg
import Foundation
import Foundations

/// Draws SVG into pixels through librsvg and cairo. Files that a drawing refers to are not loaded.
public enum SVGRenderer {
    /// Draws SVG text scaled to fit `width × height` pixels, centred, its aspect ratio kept.
    ///
    /// - Throws: ``ImageError/drawing(_:reason:)`` for text that is no SVG.
    public static func render(
        svg: String, width: Int, height: Int, background: RGB = .white
    ) throws -> RGBImage {
        try render(svg: Data(svg.utf8), width: width, height: height, background: background)
    }

    /// Draws the bytes of an SVG file scaled to fit `width × height` pixels, centred, its aspect ratio kept.
    ///
    /// - Parameters:
    ///   - background: what transparent places show.
    ///   - name: the file in errors.
    /// - Throws: ``ImageError`` for bytes that are no SVG, or more pixels than the limit.
    public static func render(
        svg: Data, width: Int, height: Int, background: RGB = .white, name: String = "SVG"
    ) throws -> RGBImage {
        guard width > 0, height > 0, width <= 32_767, height <= 32_767, width * height <= ImageFile.pixelLimit else {
            throw ImageError.tooLarge(name, width: width, height: height)
        }
        var failure: UnsafeMutablePointer<CChar>?
        let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { out, count in
            failure = svg.withUnsafeBytes { bytes in
                crsvg_render(
                    bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count, Int32(width), Int32(height),
                    Double(background.red) / 255, Double(background.green) / 255, Double(background.blue) / 255,
                    out.baseAddress)
            }
            count = failure == nil ? width * height * 3 : 0
        }
        if let failure {
            defer { free(failure) }
            throw ImageError.drawing(name, reason: String(cString: failure).replacingOccurrences(of: "\n", with: " "))
        }
        return RGBImage(width: width, height: height, pixels: pixels)
    }

    /// Draws an SVG file into a square of `size × size` pixels, its aspect ratio kept, over white.
    ///
    /// - Throws: ``ImageError`` for a file that is missing or no SVG.
    public static func render(file path: String, size: Int) throws -> RGBImage {
        guard let svg = Files.contents(path) else {
            throw Files.exists(path)
                ? ImageError.inaccessible(path, reason: "cannot read this file") : ImageError.missing(path)
        }
        guard !svg.isEmpty else { throw ImageError.empty(path) }
        return try render(svg: svg, width: size, height: size, name: path)
    }
}
