import Foundation
import Foundations

/// Reads image files into RGB pixels. The format is told by the first bytes, never by the name.
///
/// JPEG, PNG and WebP are turned as their EXIF orientation says, and CMYK is converted as Pillow does. Transparent pixels of
/// PNG and WebP are composed over white. 16-bit samples keep their high byte. Of an animation the first frame is read.
///
/// A file that ends early or contradicts itself is an error, as it is for Pillow; so is a PNG with a wrong checksum in any
/// of its chunks, which Pillow decodes when it is that of the pixels: they are not those that were saved.
public enum ImageFile {
    /// The most pixels that are decoded, checked in the header before anything is allocated; Pillow's limit.
    public static let pixelLimit = 178_956_970

    /// The most pixels for each byte of a file that are decoded, of images with more than ``smallPixelCount``: what a file
    /// takes in memory is bounded by its size. Photographs have about 5, scanned text up to 100.
    public static let pixelsPerByte = 400

    /// Images of up to so many pixels (4096×4096) are decoded however small their files are.
    public static let smallPixelCount = 1 << 24

    /// More bytes than a file of the most pixels has.
    private static let longestFile = 2_000_000_000

    /// The formats that are read, by name.
    public enum Format: String, Sendable, CaseIterable {
        /// JPEG, baseline and progressive; read by libjpeg-turbo, as Pillow does.
        case jpeg = "JPEG"
        /// PNG of any bit depth and colour type, interlaced or not.
        case png = "PNG"
        /// WebP, lossy and lossless.
        case webP = "WebP"
        /// Windows bitmaps without compression.
        case bmp = "BMP"
    }

    /// Reads and decodes the file at `path`.
    ///
    /// - Throws: ``ImageError`` for a file that is missing, empty, truncated, corrupt, too large or no image.
    public static func decode(_ path: String) throws -> RGBImage {
        try decode(path) { _ in }
    }

    /// Reads and decodes the file at `path`.
    ///
    /// - Parameter note: told, in one line that names the file, of what is left out: the other frames of an animation.
    /// - Throws: ``ImageError`` for a file that is missing, empty, truncated, corrupt, too large or no image.
    public static func decode(_ path: String, note: (String) -> Void) throws -> RGBImage {
        try decode(bytes: read(path), name: path, note: note)
    }

    /// Decodes the bytes of a file; `name` stands for the file in errors.
    ///
    /// - Parameter pixelLimit: the most pixels that are decoded, at most ``pixelLimit``.
    /// - Throws: ``ImageError``.
    public static func decode(
        bytes: [UInt8], name: String, pixelLimit limit: Int = pixelLimit, note: (String) -> Void = { _ in }
    ) throws -> RGBImage {
        try bytes.withUnsafeBufferPointer { buffer in
            func tellOfAnimation() { note("\(name): an animation, of which the first frame is taken") }
            return switch try format(of: buffer, name: name) {
            case .jpeg: try JPEG.decode(buffer, name: name, limit: limit)
            case .png: try PNG.decode(buffer, name: name, limit: limit, ifAnimated: tellOfAnimation)
            case .webP: try WebP.decode(buffer, name: name, limit: limit, ifAnimated: tellOfAnimation)
            case .bmp: try BMP.decode(buffer, name: name, limit: limit)
            }
        }
    }

    /// The format that the first bytes of a file announce.
    ///
    /// - Throws: ``ImageError`` for no bytes, an unsupported image format, or anything else.
    static func format(of bytes: UnsafeBufferPointer<UInt8>, name: String) throws -> Format {
        guard !bytes.isEmpty else { throw ImageError.empty(name) }
        func starts(_ magic: [UInt8], at offset: Int = 0) -> Bool {
            bytes.count >= offset + magic.count && magic.indices.allSatisfy { bytes[offset + $0] == magic[$0] }
        }
        func starts(_ magic: String, at offset: Int = 0) -> Bool { starts(Array(magic.utf8), at: offset) }

        if starts([0xFF, 0xD8, 0xFF]) { return .jpeg }
        if starts([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return .png }
        if starts("RIFF"), starts("WEBP", at: 8) { return .webP }
        // "BM" alone begins many a text: a header size that Windows or OS/2 knows must follow.
        if starts("BM"), bytes.count < 18 || [12, 40, 52, 56, 64, 108, 124].contains(bytes[14]) { return .bmp }
        if starts("GIF8") { throw ImageError.unsupported(name, feature: "GIF") }
        if starts("II*\0") || starts("MM\0*") { throw ImageError.unsupported(name, feature: "TIFF") }
        if starts("ftypavif", at: 4) { throw ImageError.unsupported(name, feature: "AVIF") }
        if starts("ftyphei", at: 4) || starts("ftypmif1", at: 4) {
            throw ImageError.unsupported(name, feature: "HEIC")
        }
        throw ImageError.notAnImage(name)
    }

    /// Throws unless an image of these sizes may be decoded.
    /// - Parameters:
    ///   - fileSize: the bytes that it is in.
    ///   - limit: the most pixels.
    static func checkSize(
        width: Int, height: Int, name: String, format: Format, fileSize: Int, limit: Int
    ) throws {
        guard width > 0, height > 0 else {
            throw ImageError.corrupt(name, format: format.rawValue, reason: "\(width)×\(height) pixels")
        }
        let (count, overflow) = width.multipliedReportingOverflow(by: height)
        guard !overflow, count <= min(limit, pixelLimit) else {
            throw ImageError.tooLarge(name, width: width, height: height, limit: min(limit, pixelLimit))
        }
        guard count <= max(smallPixelCount, fileSize * pixelsPerByte) else {
            throw ImageError.bomb(name, width: width, height: height, bytes: fileSize)
        }
    }

    /// The bytes of an image file. A file that does not start as an image is refused before the rest is read.
    private static func read(_ path: String) throws -> [UInt8] {
        let file = FilePath.withSystemPath(path) { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard file >= 0 else {
            throw errno == ENOENT || errno == ENOTDIR
                ? ImageError.missing(path) : ImageError.inaccessible(path, reason: systemMessage())
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw ImageError.inaccessible(path, reason: systemMessage()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw ImageError.notAFile(path) }
        let size = Int(status.st_size)
        guard size > 0 else { throw ImageError.empty(path) }
        guard size <= longestFile else { throw ImageError.unsupported(path, feature: "a file of \(size) bytes") }

        var head = [UInt8](repeating: 0, count: min(size, 32))
        let found = pread(file, &head, head.count, 0)
        guard found >= 0 else { throw ImageError.inaccessible(path, reason: systemMessage()) }
        _ = try head[..<found].withUnsafeBufferPointer { try format(of: $0, name: path) }

        return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let got = pread(file, buffer.baseAddress! + count, size - count, off_t(count))
                if got == 0 { break }
                guard got > 0 else {
                    if errno == EINTR { continue }
                    throw ImageError.inaccessible(path, reason: systemMessage())
                }
                count += got
            }
        }
    }
}
