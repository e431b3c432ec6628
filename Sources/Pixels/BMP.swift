/// Reads uncompressed 24-bit and 32-bit BMP.
enum BMP {
    /// Decodes rows of blue, green, red (and an unused fourth byte), stored upwards or downwards.
    static func decode(_ bytes: UnsafeBufferPointer<UInt8>, name: String, limit: Int) throws -> RGBImage {
        let truncated = ImageError.truncated(name, format: "BMP")
        guard bytes.count >= 26 else { throw truncated }
        func number(_ offset: Int, bytes length: Int) -> Int {
            (0..<length).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
        }
        let start = number(10, bytes: 4)
        let headerSize = number(14, bytes: 4)
        guard headerSize >= 40 else { throw ImageError.unsupported(name, feature: "BMP with an OS/2 header") }
        guard bytes.count >= 54 else { throw truncated }
        let width = Int(Int32(truncatingIfNeeded: number(18, bytes: 4)))
        let signedHeight = Int(Int32(truncatingIfNeeded: number(22, bytes: 4)))
        let depth = number(28, bytes: 2)
        let compression = number(30, bytes: 4)
        guard depth == 24 || depth == 32 else { throw ImageError.unsupported(name, feature: "\(depth)-bit BMP") }
        // Compression 3 states channel masks; the usual ones equal the plain layout.
        let isPlain =
            compression == 0
            || (compression == 3 && depth == 32 && bytes.count >= 66 && number(54, bytes: 4) == 0xFF0000
                && number(58, bytes: 4) == 0xFF00 && number(62, bytes: 4) == 0xFF)
        guard isPlain else { throw ImageError.unsupported(name, feature: "compressed BMP") }

        let height = abs(signedHeight)
        try ImageFile.checkSize(
            width: width, height: height, name: name, format: .bmp, fileSize: bytes.count, limit: limit)
        let step = depth / 8
        let stride = (width * step + 3) / 4 * 4
        guard start >= 54 else { throw ImageError.corrupt(name, format: "BMP", reason: "pixels at \(start)") }
        guard start + height * stride <= bytes.count else { throw truncated }
        let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { out, count in
            count = width * height * 3
            for y in 0..<height {
                var from = start + (signedHeight > 0 ? height - 1 - y : y) * stride
                for to in Swift.stride(from: y * width * 3, to: (y + 1) * width * 3, by: 3) {
                    out[to] = bytes[from + 2]
                    out[to + 1] = bytes[from + 1]
                    out[to + 2] = bytes[from]
                    from += step
                }
            }
        }
        return RGBImage(width: width, height: height, pixels: pixels)
    }
}
