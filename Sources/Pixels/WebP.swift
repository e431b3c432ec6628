import CImageCodecs

/// Reads WebP through libwebp.
enum WebP {
    /// Decodes a lossy or lossless image, or the first frame of an animation; transparency is composed over white, and the
    /// image turned upright by its EXIF orientation.
    static func decode(
        _ bytes: UnsafeBufferPointer<UInt8>, name: String, limit: Int, ifAnimated: () -> Void
    ) throws -> RGBImage {
        let truncated = ImageError.truncated(name, format: "WebP")
        guard bytes.count >= 12 else { throw truncated }
        let announced = number(bytes, at: 4)
        guard announced + 8 <= bytes.count else { throw truncated }
        var features = WebPBitstreamFeatures()
        let status = WebPGetFeatures(bytes.baseAddress, bytes.count, &features)
        guard status == VP8_STATUS_OK else {
            throw status == VP8_STATUS_NOT_ENOUGH_DATA
                ? truncated : ImageError.corrupt(name, format: "WebP", reason: "unreadable header")
        }
        let (width, height) = (Int(features.width), Int(features.height))
        try ImageFile.checkSize(
            width: width, height: height, name: name, format: .webP, fileSize: bytes.count, limit: limit)
        let corrupt = ImageError.corrupt(name, format: "WebP", reason: "unreadable picture data")
        if features.has_animation != 0 { ifAnimated() }
        guard
            let image = features.has_animation != 0
                ? firstFrame(bytes, width, height) : still(bytes, width, height, hasAlpha: features.has_alpha != 0)
        else { throw corrupt }
        return image.upright(orientation(bytes, end: announced + 8))
    }

    private static func number(_ bytes: UnsafeBufferPointer<UInt8>, at offset: Int) -> Int {
        (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }

    /// Nil for picture data that cannot be read.
    private static func still(
        _ bytes: UnsafeBufferPointer<UInt8>, _ width: Int, _ height: Int, hasAlpha: Bool
    ) -> RGBImage? {
        let channels = hasAlpha ? 4 : 3
        let samples = [UInt8](unsafeUninitializedCapacity: width * height * channels) { buffer, count in
            let decode = hasAlpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto
            let end = decode(
                bytes.baseAddress, bytes.count, buffer.baseAddress, buffer.count, Int32(width * channels))
            count = end == nil ? 0 : buffer.count
        }
        guard !samples.isEmpty else { return nil }
        return hasAlpha
            ? composed(rgba: samples, width: width, height: height, over: .white)
            : RGBImage(width: width, height: height, pixels: samples)
    }

    /// The first frame on its canvas; nil for an animation that cannot be read.
    private static func firstFrame(
        _ bytes: UnsafeBufferPointer<UInt8>, _ width: Int, _ height: Int
    ) -> RGBImage? {
        var options = WebPAnimDecoderOptions()
        guard WebPAnimDecoderOptionsInit(&options) != 0 else { return nil }
        options.color_mode = MODE_RGBA
        options.use_threads = 0
        var data = WebPData(bytes: bytes.baseAddress, size: bytes.count)
        guard let decoder = WebPAnimDecoderNew(&data, &options) else { return nil }
        defer { WebPAnimDecoderDelete(decoder) }
        var info = WebPAnimInfo()
        var canvas: UnsafeMutablePointer<UInt8>?
        var time: Int32 = 0
        guard WebPAnimDecoderGetInfo(decoder, &info) != 0,
            (Int(info.canvas_width), Int(info.canvas_height)) == (width, height),
            WebPAnimDecoderGetNext(decoder, &canvas, &time) != 0, let canvas
        else { return nil }
        return composed(rgba: canvas, width: width, height: height, over: .white)
    }

    /// The EXIF orientation, if there is a chunk with one.
    private static func orientation(_ bytes: UnsafeBufferPointer<UInt8>, end: Int) -> Int? {
        var offset = 12
        while offset + 8 <= end {
            let length = number(bytes, at: offset + 4)
            let data = offset + 8
            guard data + length <= end else { return nil }
            if bytes[offset..<data - 4].elementsEqual("EXIF".utf8) {
                return ExifOrientation.value(exif: UnsafeBufferPointer(rebasing: bytes[data..<(data + length)]))
            }
            // Chunks begin at even places.
            offset = data + length + length % 2
        }
        return nil
    }
}
