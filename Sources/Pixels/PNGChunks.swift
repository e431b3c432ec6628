import CZlib

/// What the chunks of a PNG file say beside the pixels: that the file is whole, its size, and how to hold it.
struct PNGChunks {
    private(set) var width = 0
    private(set) var height = 0
    /// Whether it is an animation (APNG).
    private(set) var isAnimated = false
    /// The EXIF orientation, 1…8; nil when the file has none.
    private(set) var orientation: Int?

    /// Follows the chunks from the header to the end marker, so that a file that was cut or changed anywhere is told before
    /// decoding: a decoder stops at the last pixel, before the checksum of the last chunk of them.
    ///
    /// - Throws: ``ImageError`` when the file ends before the end marker, a checksum is wrong, or the header announces more
    ///   pixels than the limits.
    init(_ bytes: UnsafeBufferPointer<UInt8>, name: String, limit: Int) throws {
        func number(at offset: Int) -> Int {
            (0..<4).reduce(0) { $0 << 8 | Int(bytes[offset + $1]) }
        }
        let truncated = ImageError.truncated(name, format: "PNG")
        guard bytes.count >= 33 else { throw truncated }
        width = number(at: 16)
        height = number(at: 20)
        try ImageFile.checkSize(
            width: width, height: height, name: name, format: .png, fileSize: bytes.count, limit: limit)
        var offset = 8
        while offset + 12 <= bytes.count {
            let length = number(at: offset)
            let end = offset + 8 + length
            guard end + 4 <= bytes.count else { throw truncated }
            let kind = String(decoding: bytes[(offset + 4)..<(offset + 8)], as: UTF8.self)
            // The sum is over the kind and the data.
            let found = CZlib.crc32(0, bytes.baseAddress.map { $0 + offset + 4 }, UInt32(length + 4))
            guard Int(found) == number(at: end) else {
                let shown = kind.allSatisfy { $0.isASCII && $0.isLetter } ? kind : "?"
                throw ImageError.corrupt(name, format: "PNG", reason: "the checksum of a chunk \(shown) is wrong")
            }
            switch kind {
            case "IEND": return
            case "acTL": isAnimated = true
            case "eXIf":
                orientation = ExifOrientation.value(exif: UnsafeBufferPointer(rebasing: bytes[(offset + 8)..<end]))
            default: break
            }
            offset = end + 4
        }
        throw truncated
    }
}
