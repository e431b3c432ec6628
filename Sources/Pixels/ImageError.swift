import Foundation

/// Why an image cannot be read, written or drawn: one line that names the file, what is wrong and what to do.
public enum ImageError: LocalizedError, CustomStringConvertible, Equatable {
    /// There is no such file.
    case missing(String)
    /// The path names a folder, a pipe or a device.
    case notAFile(String)
    /// The file exists but cannot be read or written; `reason` is the system's.
    case inaccessible(String, reason: String)
    /// The file has no bytes.
    case empty(String)
    /// The bytes are no image of a known format.
    case notAnImage(String)
    /// The format is known and not read here, or uses a feature that is not.
    case unsupported(String, feature: String)
    /// The file ends too early.
    case truncated(String, format: String)
    /// The bytes contradict the format.
    case corrupt(String, format: String, reason: String)
    /// More pixels than `limit`, by the header; ``ImageFile/pixelLimit`` where nothing else is asked for.
    case tooLarge(String, width: Int, height: Int, limit: Int = ImageFile.pixelLimit)
    /// So many more pixels than bytes that an image of use is hardly behind it: ``ImageFile/pixelsPerByte``.
    case bomb(String, width: Int, height: Int, bytes: Int)
    /// An SVG drawing cannot be understood.
    case drawing(String, reason: String)

    /// The file, what is wrong and the remedy, in one line.
    public var description: String {
        switch self {
        case .missing(let name):
            "\(name): no such file; check the path"
        case .notAFile(let name):
            "\(name): not a regular file; give the path of an image file"
        case .inaccessible(let name, let reason):
            "\(name): \(reason); check the permissions and the disk"
        case .empty(let name):
            "\(name): the file is empty; download or export it again"
        case .notAnImage(let name):
            "\(name): not an image, whatever its name says; give a JPEG, PNG, WebP or BMP file"
        case .unsupported(let name, let feature):
            "\(name): \(feature) is not supported; convert it to an 8-bit PNG or JPEG"
        case .truncated(let name, let format):
            "\(name): truncated \(format) file; download or export it again"
        case .corrupt(let name, let format, let reason):
            "\(name): corrupt \(format) file (\(reason)); download or export it again"
        case .tooLarge(let name, let width, let height, let limit):
            "\(name): \(width)×\(height) pixels are over the limit of \(limit); shrink the image"
        case .bomb(let name, let width, let height, let bytes):
            "\(name): \(width)×\(height) pixels in a file of \(bytes) bytes, which would take \(width * height * 3 / 1_000_000) MB "
                + "(a decompression bomb?); shrink the image"
        case .drawing(let name, let reason):
            "\(name): cannot draw this SVG (\(reason)); check that it is a valid SVG file"
        }
    }

    /// The same text for Foundation's `localizedDescription`.
    public var errorDescription: String? { description }
}
