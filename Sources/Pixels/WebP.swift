import CImageCodecs

/// Reads WebP through libwebp.
enum WebP {
    /// Decodes a lossy or lossless still; transparency is composed over white.
    static func decode(_ bytes: UnsafeBufferPointer<UInt8>, name: String) throws -> RGBImage {
        let truncated = ImageError.truncated(name, format: "WebP")
        guard bytes.count >= 12 else { throw truncated }
        let announced = (0..<4).reduce(0) { $0 | Int(bytes[4 + $1]) << (8 * $1) }
        guard announced + 8 <= bytes.count else { throw truncated }
        var features = WebPBitstreamFeatures()
        let status = WebPGetFeatures(bytes.baseAddress, bytes.count, &features)
        guard status == VP8_STATUS_OK else {
            throw status == VP8_STATUS_NOT_ENOUGH_DATA
                ? truncated : ImageError.corrupt(name, format: "WebP", reason: "unreadable header")
        }
        guard features.has_animation == 0 else {
            throw ImageError.unsupported(name, feature: "animated WebP")
        }
        let (width, height) = (Int(features.width), Int(features.height))
        try ImageFile.checkSize(width: width, height: height, name: name, format: .webP)
        let corrupt = ImageError.corrupt(name, format: "WebP", reason: "unreadable picture data")

        if features.has_alpha == 0 {
            let pixels = try [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
                guard
                    WebPDecodeRGBInto(
                        bytes.baseAddress, bytes.count, buffer.baseAddress, buffer.count, Int32(width * 3)) != nil
                else { throw corrupt }
                count = buffer.count
            }
            return RGBImage(width: width, height: height, pixels: pixels)
        }
        let rgba = try [UInt8](unsafeUninitializedCapacity: width * height * 4) { buffer, count in
            guard
                WebPDecodeRGBAInto(
                    bytes.baseAddress, bytes.count, buffer.baseAddress, buffer.count, Int32(width * 4)) != nil
            else { throw corrupt }
            count = buffer.count
        }
        return composed(rgba: rgba, width: width, height: height, over: .white)
    }
}
