import CImageCodecs
import Foundation

/// Reads and writes JPEG through libjpeg-turbo's TurboJPEG interface.
public enum JPEG {
    /// Encodes an image as a baseline JPEG.
    ///
    /// - Parameters:
    ///   - quality: 1…100.
    ///   - subsampled: colour at half the resolution (4:2:0), or at the full one (4:4:4).
    /// - Throws: ``ImageError`` if the encoder fails.
    public static func encode(_ image: RGBImage, quality: Int = 90, subsampled: Bool = true) throws -> [UInt8] {
        guard let handle = tjInitCompress() else {
            throw ImageError.inaccessible("JPEG encoder", reason: "out of memory")
        }
        defer { tjDestroy(handle) }
        var output: UnsafeMutablePointer<UInt8>?
        var length: UInt = 0
        defer { tjFree(output) }
        let status = tjCompress2(
            handle, image.pixels, Int32(image.width), 0, Int32(image.height), Int32(TJPF_RGB.rawValue), &output,
            &length, Int32((subsampled ? TJSAMP_420 : TJSAMP_444).rawValue), Int32(min(max(quality, 1), 100)), 0)
        guard status == 0, let output else {
            throw ImageError.inaccessible("JPEG encoder", reason: String(cString: tjGetErrorStr2(handle)))
        }
        return Array(UnsafeBufferPointer(start: output, count: Int(length)))
    }

    /// Decodes a JPEG and turns it upright by its EXIF orientation.
    static func decode(_ bytes: UnsafeBufferPointer<UInt8>, name: String, limit: Int) throws -> RGBImage {
        let markers = try JPEGMarkers(bytes, name: name, limit: limit)
        guard let handle = tjInitDecompress() else {
            throw ImageError.inaccessible(name, reason: "out of memory")
        }
        defer { tjDestroy(handle) }
        func failure() -> ImageError {
            let reason = String(cString: tjGetErrorStr2(handle))
            return .corrupt(name, format: "JPEG", reason: reason.replacingOccurrences(of: "\n", with: " "))
        }
        var (width, height, sampling, colours): (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
        guard
            tjDecompressHeader3(
                handle, bytes.baseAddress, UInt(bytes.count), &width, &height, &sampling, &colours) == 0
        else { throw failure() }
        let (columns, rows) = (Int(width), Int(height))
        try ImageFile.checkSize(
            width: columns, height: rows, name: name, format: .jpeg, fileSize: bytes.count, limit: limit)

        let isCMYK = [TJCS_CMYK, TJCS_YCCK].contains(TJCS(rawValue: UInt32(colours)))
        let format = isCMYK ? TJPF_CMYK : TJPF_RGB
        let size = columns * rows * (isCMYK ? 4 : 3)
        let samples = try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            let status = tjDecompress2(
                handle, bytes.baseAddress, UInt(bytes.count), buffer.baseAddress, width, 0, height,
                Int32(format.rawValue), Int32(TJFLAG_LIMITSCANS))
            // Other warnings (stray bytes between markers) leave a whole image; these fill with grey.
            if status != 0 {
                let lost = String(cString: tjGetErrorStr2(handle)).lowercased().contains("premature end")
                if tjGetErrorCode(handle) == TJERR_FATAL.rawValue || lost { throw failure() }
            }
            count = size
        }
        let pixels = isCMYK ? rgb(cmyk: samples) : samples
        return RGBImage(width: columns, height: rows, pixels: pixels).upright(markers.orientation)
    }

    /// RGB from CMYK stored inverted, as Adobe's programs write it and Pillow assumes.
    private static func rgb(cmyk: [UInt8]) -> [UInt8] {
        let count = cmyk.count / 4
        return [UInt8](unsafeUninitializedCapacity: count * 3) { out, written in
            written = count * 3
            for i in 0..<count {
                let light = Int(cmyk[i * 4 + 3])
                for channel in 0..<3 {
                    let product = (255 - Int(cmyk[i * 4 + channel])) * light + 128
                    out[i * 3 + channel] = UInt8(light - ((product + (product >> 8)) >> 8))
                }
            }
        }
    }
}
