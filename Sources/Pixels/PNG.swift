import CImageCodecs
import Foundation
import Foundations

/// Reads and writes PNG through libspng.
public enum PNG {
    /// Encodes an image as an 8-bit RGB PNG. The bytes depend on the pixels and the zlib version only.
    ///
    /// - Throws: ``ImageError`` if the encoder fails, which means no memory.
    public static func encode(_ image: RGBImage) throws -> [UInt8] {
        guard let context = spng_ctx_new(Int32(SPNG_CTX_ENCODER.rawValue)) else {
            throw ImageError.inaccessible("PNG encoder", reason: "out of memory")
        }
        defer { spng_ctx_free(context) }
        var header = spng_ihdr()
        header.width = UInt32(image.width)
        header.height = UInt32(image.height)
        header.bit_depth = 8
        header.color_type = UInt8(SPNG_COLOR_TYPE_TRUECOLOR.rawValue)
        var status = spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1)
        if status == 0 { status = spng_set_ihdr(context, &header) }
        if status == 0 {
            status = spng_encode_image(
                context, image.pixels, image.pixels.count, Int32(SPNG_FMT_PNG.rawValue),
                Int32(SPNG_ENCODE_FINALIZE.rawValue))
        }
        var length = 0
        guard status == 0, let bytes = spng_get_png_buffer(context, &length, &status), status == 0 else {
            throw ImageError.inaccessible("PNG encoder", reason: String(cString: spng_strerror(status)))
        }
        defer { free(bytes) }
        return [UInt8](UnsafeRawBufferPointer(start: bytes, count: length))
    }

    /// Writes an image as a PNG file. A reader sees the old file or the whole new one, never a part.
    ///
    /// - Throws: `FileFormatError` if the folder is missing or cannot be written.
    public static func write(_ image: RGBImage, to path: String) throws {
        // An image that a power failure damages is noticed: PNG has checksums.
        try AtomicFile.write(to: path, isSynced: false) { append in try encode(image).withUnsafeBytes(append) }
    }

    /// Decodes a PNG of any colour type and depth; transparency is composed over white, and the image turned upright by its
    /// EXIF orientation.
    static func decode(
        _ bytes: UnsafeBufferPointer<UInt8>, name: String, limit: Int, ifAnimated: () -> Void
    ) throws -> RGBImage {
        let chunks = try PNGChunks(bytes, name: name, limit: limit)
        if chunks.isAnimated { ifAnimated() }
        let image = try pixels(bytes, width: chunks.width, height: chunks.height, name: name)
        return image.upright(chunks.orientation)
    }

    /// The pixels as they are stored.
    private static func pixels(
        _ bytes: UnsafeBufferPointer<UInt8>, width: Int, height: Int, name: String
    ) throws -> RGBImage {
        guard let context = spng_ctx_new(0) else {
            throw ImageError.inaccessible(name, reason: "out of memory")
        }
        defer { spng_ctx_free(context) }
        func check(_ status: Int32) throws {
            guard status != 0 else { return }
            let early = [SPNG_EIDAT_TOO_SHORT, SPNG_EOF].contains(spng_errno(rawValue: status))
            throw early
                ? ImageError.truncated(name, format: "PNG")
                : ImageError.corrupt(name, format: "PNG", reason: String(cString: spng_strerror(status)))
        }
        // Stored chunks (ICC profiles, texts) may not inflate to more than this.
        try check(spng_set_chunk_limits(context, max(bytes.count, 1 << 20), 64 << 20))
        try check(spng_set_png_buffer(context, bytes.baseAddress, bytes.count))
        var header = spng_ihdr()
        try check(spng_get_ihdr(context, &header))
        var transparency = spng_trns()
        let found = spng_get_trns(context, &transparency)
        if found != 0, found != SPNG_ECHUNKAVAIL.rawValue { try check(found) }
        let hasAlpha = header.color_type & 4 != 0 || found == 0

        if !hasAlpha, header.bit_depth <= 8 {
            let pixels = try [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
                count = buffer.count
                try check(
                    spng_decode_image(context, buffer.baseAddress, count, Int32(SPNG_FMT_RGB8.rawValue), 0))
            }
            return RGBImage(width: width, height: height, pixels: pixels)
        }
        let rgba = try [UInt8](unsafeUninitializedCapacity: width * height * 4) { buffer, count in
            count = buffer.count
            try check(
                spng_decode_image(
                    context, buffer.baseAddress, count, Int32(SPNG_FMT_RGBA8.rawValue),
                    Int32(SPNG_DECODE_TRNS.rawValue)))
        }
        return composed(rgba: rgba, width: width, height: height, over: .white)
    }
}
