import CRsvg
import Foundation

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
        let handle = try parse(svg, name: name)
        defer { g_object_unref(handle) }
        let surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(width), Int32(height))
        defer { cairo_surface_destroy(surface) }
        let context = cairo_create(surface)
        defer { cairo_destroy(context) }
        cairo_set_source_rgb(
            context, Double(background.red) / 255, Double(background.green) / 255, Double(background.blue) / 255)
        cairo_paint(context)

        var viewport = RsvgRectangle(x: 0, y: 0, width: Double(width), height: Double(height))
        var failure: UnsafeMutablePointer<GError>?
        guard rsvg_handle_render_document(handle, context, &viewport, &failure) != 0 else {
            throw drawing(name, failure)
        }
        cairo_surface_flush(surface)
        guard cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS, let data = cairo_image_surface_get_data(surface)
        else { throw ImageError.drawing(name, reason: "out of memory") }
        return image(data, rowBytes: Int(cairo_image_surface_get_stride(surface)), width: width, height: height)
    }

    /// Draws an SVG file into a square of `size × size` pixels, its aspect ratio kept, over white.
    ///
    /// - Throws: ``ImageError`` for a file that is missing or no SVG.
    public static func render(file path: String, size: Int) throws -> RGBImage {
        guard let svg = FileManager.default.contents(atPath: path) else {
            throw FileManager.default.fileExists(atPath: path)
                ? ImageError.inaccessible(path, reason: "cannot read this file") : ImageError.missing(path)
        }
        guard !svg.isEmpty else { throw ImageError.empty(path) }
        return try render(svg: svg, width: size, height: size, name: path)
    }

    private static func parse(_ svg: Data, name: String) throws -> UnsafeMutablePointer<RsvgHandle> {
        var failure: UnsafeMutablePointer<GError>?
        let handle = svg.withUnsafeBytes { bytes in
            rsvg_handle_new_from_data(
                bytes.baseAddress?.assumingMemoryBound(to: guint8.self), gsize(bytes.count), &failure)
        }
        guard let handle else { throw drawing(name, failure) }
        return handle
    }

    /// The error that GLib reports, which is freed.
    private static func drawing(_ name: String, _ failure: UnsafeMutablePointer<GError>?) -> ImageError {
        defer { if let failure { g_error_free(failure) } }
        let reason = failure?.pointee.message.map { String(cString: $0) } ?? "unknown error"
        return .drawing(name, reason: reason.replacingOccurrences(of: "\n", with: " "))
    }

    /// RGB from cairo's rows of native-endian 0x00RRGGBB words.
    private static func image(
        _ data: UnsafeMutablePointer<UInt8>, rowBytes: Int, width: Int, height: Int
    ) -> RGBImage {
        let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { out, count in
            count = width * height * 3
            var to = 0
            for y in 0..<height {
                let row = UnsafeRawPointer(data + y * rowBytes).assumingMemoryBound(to: UInt32.self)
                for x in 0..<width {
                    out[to] = UInt8(truncatingIfNeeded: row[x] >> 16)
                    out[to + 1] = UInt8(truncatingIfNeeded: row[x] >> 8)
                    out[to + 2] = UInt8(truncatingIfNeeded: row[x])
                    to += 3
                }
            }
        }
        return RGBImage(width: width, height: height, pixels: pixels)
    }
}
