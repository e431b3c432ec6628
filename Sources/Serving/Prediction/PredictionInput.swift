import Foundation
import Foundations

/// The images of a request, still encoded, and how many classes are asked for.
struct PredictionInput {
    /// An image as it came, or what is wrong with it.
    struct Image {
        /// What the sender calls it, or else its number, from 1.
        let name: String
        let bytes: Result<[UInt8], WebError>
    }

    /// How a body holds images.
    enum Form {
        case image
        case multipart(boundary: String)
        case json

        /// - Parameter contentType: the request's header.
        /// - Throws: ``WebError`` for a type that is not taken.
        init(_ contentType: String?) throws {
            let words =
                "send an image as image/jpeg, image/png, image/webp, image/bmp or application/octet-stream, several as "
                + "multipart/form-data or application/json"
            guard let contentType else { throw WebError(.unsupportedMediaType, "no Content-Type; \(words)") }
            let type = contentType.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces).lowercased()
            switch type {
            case "image/jpeg", "image/png", "image/webp", "image/bmp", "application/octet-stream": self = .image
            case "application/json": self = .json
            case "multipart/form-data":
                guard let boundary = MultipartForm.boundary(of: contentType) else {
                    throw WebError(.badRequest, "multipart/form-data without its boundary in Content-Type")
                }
                self = .multipart(boundary: boundary)
            default:
                throw WebError(.unsupportedMediaType, "Content-Type \(shortened(type)) is not taken; \(words)")
            }
        }
    }

    var images: [Image] = []
    /// How many classes are asked for; nil where nothing is said.
    var top: Int?

    /// - Throws: ``WebError`` for a body that is not of its form, or has no image.
    init(_ form: Form, body: [UInt8]) throws {
        switch form {
        case .image: images = [Image(name: "image", bytes: .success(body))]
        case .multipart(let boundary): try takeParts(MultipartForm(body, boundary: boundary).parts)
        case .json: try takeJSON(body)
        }
        guard !images.isEmpty, !body.isEmpty else { throw WebError(.badRequest, "no image in the request") }
    }

    private mutating func takeParts(_ parts: [MultipartForm.Part]) throws {
        for part in parts {
            switch part.name {
            case "image", "images":
                let name = part.fileName.flatMap { $0.isEmpty ? nil : plainText(shortened($0)) }
                images.append(Image(name: name ?? "\(images.count + 1)", bytes: .success(Array(part.content))))
            case "top": top = try Self.count(String(decoding: part.content.prefix(20), as: UTF8.self))
            default:
                throw WebError(.badRequest, "the form has a field '\(shortened(part.name))'; it takes image and top")
            }
        }
    }

    private mutating func takeJSON(_ body: [UInt8]) throws {
        guard let members = JSONValue(json: body)?.object else {
            throw WebError(.badRequest, #"the body is no JSON object as {"images": ["BASE64", …], "top": 3}"#)
        }
        for (key, value) in members {
            switch (key, value) {
            case ("images", .array(let texts)):
                images = texts.enumerated().map { place, text in
                    let bytes = text.string.flatMap { Data(base64Encoded: $0) }.map { [UInt8]($0) }
                    return Image(
                        name: "\(place + 1)",
                        bytes: bytes.map { .success($0) }
                            ?? .failure(
                                WebError(.unprocessableContent, "\(place + 1): no base64; encode the file's bytes")))
                }
            case ("top", .int(let number)): top = try Self.count("\(number)")
            case ("images", _), ("top", _):
                throw WebError(
                    .badRequest, "\(key): is \(value.kindName); give images as a list of base64 texts, top as a number")
            default: throw WebError(.badRequest, "\(shortened(key)): no such member; images and top are known")
            }
        }
    }

    /// A number of classes.
    /// - Throws: ``WebError`` for what is none.
    static func count(_ text: some StringProtocol) throws -> Int {
        guard let number = Int(text), (1...largestCount).contains(number) else {
            throw WebError(.badRequest, "top: '\(shortened(String(text)))' is no number of classes; give 1 or more")
        }
        return number
    }
}
