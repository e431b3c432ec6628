import Foundation

/// Reads image files into RGB pixels. The format is told by the first bytes, never by the name.
///
/// JPEG is turned as its EXIF orientation says, and CMYK is converted as Pillow does. Transparent pixels of PNG and
/// WebP are composed over white. 16-bit samples keep their high byte.
public enum ImageFile {
    /// The most pixels that are decoded, checked in the header before anything is allocated; Pillow's limit.
    public static let pixelLimit = 178_956_970

    /// The formats that are read, by name.
    public enum Format: String, Sendable, CaseIterable {
        case jpeg = "JPEG"
        case png = "PNG"
        case webP = "WebP"
        case bmp = "BMP"
    }

    /// Reads and decodes the file at `path`.
    ///
    /// - Throws: ``ImageError`` for a file that is missing, empty, truncated, corrupt, too large or no image.
    public static func decode(_ path: String) throws -> RGBImage {
        try decode(bytes: read(path), name: path)
    }

    /// Decodes the bytes of a file; `name` stands for the file in errors.
    ///
    /// - Throws: ``ImageError``.
    public static func decode(bytes: [UInt8], name: String) throws -> RGBImage {
        try bytes.withUnsafeBufferPointer { buffer in
            switch try format(of: buffer, name: name) {
            case .jpeg: try JPEG.decode(buffer, name: name)
            case .png: try PNG.decode(buffer, name: name)
            case .webP: try WebP.decode(buffer, name: name)
            case .bmp: try BMP.decode(buffer, name: name)
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
    static func checkSize(width: Int, height: Int, name: String, format: Format) throws {
        guard width > 0, height > 0 else {
            throw ImageError.corrupt(name, format: format.rawValue, reason: "\(width)×\(height) pixels")
        }
        let (count, overflow) = width.multipliedReportingOverflow(by: height)
        guard !overflow, count <= pixelLimit else {
            throw ImageError.tooLarge(name, width: width, height: height)
        }
    }

    /// The bytes of an image file. A file that does not start as an image is refused before the rest is read.
    private static func read(_ path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
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

    /// The system's words for the last error.
    static func systemMessage() -> String { String(cString: strerror(errno)) }
}
