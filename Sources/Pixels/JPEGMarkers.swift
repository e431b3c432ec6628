/// What the markers of a JPEG file say beside the picture: that the file is whole, its size, and how to hold it.
struct JPEGMarkers {
    /// The EXIF orientation, 1…8; nil when the file has none.
    private(set) var orientation: Int?

    /// Follows the markers from the start of the image to its end.
    ///
    /// - Throws: ``ImageError`` when the file ends before the end marker, or announces more pixels than the limit.
    init(_ bytes: UnsafeBufferPointer<UInt8>, name: String, limit: Int) throws {
        let truncated = ImageError.truncated(name, format: "JPEG")
        var offset = 2
        var inScan = false
        while true {
            // In a scan, 0xFF is followed by 0 (a stuffed byte) or a restart marker; anything else ends the scan.
            while offset < bytes.count, bytes[offset] != 0xFF { offset += 1 }
            while offset < bytes.count, bytes[offset] == 0xFF { offset += 1 }
            guard offset < bytes.count else { throw truncated }
            let marker = bytes[offset]
            offset += 1
            if marker == 0xD9 {
                guard inScan else { throw truncated }
                return
            }
            if marker == 0 || marker == 1 || (0xD0...0xD8).contains(marker) { continue }
            guard offset + 2 <= bytes.count else { throw truncated }
            let length = Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
            guard length >= 2, offset + length <= bytes.count else { throw truncated }
            let segment = UnsafeBufferPointer(rebasing: bytes[(offset + 2)..<(offset + length)])
            switch marker {
            case 0xDA: inScan = true
            case 0xE1 where segment.starts(with: Array("Exif\0\0".utf8)):
                orientation = ExifOrientation.value(exif: segment) ?? orientation
            case 0xC0...0xCF where marker != 0xC4 && marker != 0xC8 && marker != 0xCC && segment.count >= 5:
                let height = Int(segment[1]) << 8 | Int(segment[2])
                let width = Int(segment[3]) << 8 | Int(segment[4])
                try ImageFile.checkSize(
                    width: width, height: height, name: name, format: .jpeg, fileSize: bytes.count, limit: limit)
            default: break
            }
            offset += length
        }
    }
}
