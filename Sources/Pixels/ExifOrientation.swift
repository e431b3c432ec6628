/// How an image is to be held, as cameras write it: EXIF's orientation, 1…8.
enum ExifOrientation {
    /// Tag 0x0112 of the first directory, if it is there and in 1…8.
    /// - Parameter exif: a TIFF header and what follows it; JPEG's `Exif\0\0` may stand before it.
    static func value(exif: UnsafeBufferPointer<UInt8>) -> Int? {
        let hasMark = exif.prefix(6).elementsEqual(Array("Exif\0\0".utf8))
        let tiff = UnsafeBufferPointer(rebasing: exif[(hasMark ? 6 : 0)...])
        guard tiff.count >= 8, tiff[0] == tiff[1], [UInt8(ascii: "I"), UInt8(ascii: "M")].contains(tiff[0]) else {
            return nil
        }
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

extension RGBImage {
    /// The image as an EXIF orientation says that it is to be shown; as it is for 1, nil and what is none.
    func upright(_ orientation: Int?) -> RGBImage {
        guard let orientation, (2...8).contains(orientation) else { return self }
        let swaps = orientation >= 5
        var result = RGBImage(width: swaps ? height : width, height: swaps ? width : height)
        for y in 0..<result.height {
            for x in 0..<result.width {
                // The place in the stored image of the shown pixel (x, y).
                let (column, row) =
                    switch orientation {
                    case 2: (width - 1 - x, y)
                    case 3: (width - 1 - x, height - 1 - y)
                    case 4: (x, height - 1 - y)
                    case 5: (y, x)
                    case 6: (y, height - 1 - x)
                    case 7: (width - 1 - y, height - 1 - x)
                    default: (width - 1 - y, x)
                    }
                result[x, y] = self[column, row]
            }
        }
        return result
    }
}
