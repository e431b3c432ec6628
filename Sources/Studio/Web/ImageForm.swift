import Foundation
import Foundations
import Hummingbird
import Pixels
import Serving

/// The image in a form's body, which is not trusted.
enum ImageForm {
    /// - Parameter pixelLimit: the most pixels of the image.
    /// - Throws: ``WebError`` for a body without an image that can be read within the limit.
    static func image(_ body: [UInt8], contentType: String?, pixelLimit: Int) throws -> RGBImage {
        guard let contentType, contentType.lowercased().hasPrefix("multipart/form-data") else {
            throw WebError(.unsupportedMediaType, "send the image in a form (multipart/form-data), as the page does")
        }
        guard let boundary = MultipartForm.boundary(of: contentType) else {
            throw WebError(.badRequest, "multipart/form-data without its boundary in Content-Type")
        }
        let parts = try MultipartForm(body, boundary: boundary).parts
        guard let part = parts.first(where: { $0.name == "image" }), !part.content.isEmpty else {
            throw WebError(.badRequest, "no image in the form; choose a file first")
        }
        let name = part.fileName.flatMap { $0.isEmpty ? nil : plainText(String($0.prefix(80))) } ?? "the image"
        do {
            return try ImageFile.decode(bytes: Array(part.content), name: name, pixelLimit: pixelLimit)
        } catch let error as ImageError {
            switch error {
            case .tooLarge, .bomb: throw WebError(.contentTooLarge, "\(error)")
            default: throw WebError(.unprocessableContent, "\(error)")
            }
        }
    }
}
