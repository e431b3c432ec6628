/// What the markers of a JPEG file say beside the picture: that the file is whole, its size, and how to hold it.
struct JPEGMarkers {
    /// The EXIF orientation, 1…8; 1 when the file has none.
    private(set) var orientation = 1

    /// Follows the markers from the start of the image to its end.
    ///
    /// - Throws: ``ImageError`` when the file ends before the end marker, or announces more pixels than the limit.
    init(_ bytes: UnsafeBufferPointer<UInt8>, name: String) throws {
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
            case 0xE1: orientation = Self.orientation(exif: segment) ?? orientation
            case 0xC0...0xCF where marker != 0xC4 && marker != 0xC8 && marker != 0xCC && segment.count >= 5:
                let height = Int(segment[1]) << 8 | Int(segment[2])
                let width = Int(segment[3]) << 8 | Int(segment[4])
                try ImageFile.checkSize(width: width, height: height, name: name, format: .jpeg)
            default: break
            }
            offset += length
        }
    }

    /// Tag 0x0112 of the first directory of an EXIF segment, if it is there and in 1…8.
    private static func orientation(exif segment: UnsafeBufferPointer<UInt8>) -> Int? {
        guard segment.count >= 14, segment.prefix(6).elementsEqual(Array("Exif\0\0".utf8)) else { return nil }
        let tiff = UnsafeBufferPointer(rebasing: segment[6...])
        let isLittle = tiff[0] == UInt8(ascii: "I")
        func number(_ offset: Int, bytes: Int) -> Int? {
            guard offset >= 0, offset + bytes <= tiff.count else { return nil }
            return (0..<bytes).reduce(0) { sum, i in
                sum << 8 | Int(tiff[offset + (isLittle ? bytes - 1 - i : i)])
            }
        }
        guard let directory = number(4, bytes: 4), let entries = number(directory, bytes: 2) else { return nil }
        for entry in 0..<entries {
            let offset = directory + 2 + entry * 12
            guard let tag = number(offset, bytes: 2) else { return nil }
            guard tag == 0x0112 else { continue }
            guard let value = number(offset + 8, bytes: 2), (1...8).contains(value) else { return nil }
            return value
        }
        return nil
    }
}
