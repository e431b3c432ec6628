import Foundation

/// The parts of a `multipart/form-data` body (RFC 7578), which is not trusted.
package struct MultipartForm {
    /// One field of the form.
    package struct Part {
        /// The field's name.
        package let name: String
        /// The file's name as the sender has it; nil for a field that is no file.
        package let fileName: String?
        /// What the field holds.
        package let content: ArraySlice<UInt8>
    }

    /// More parts than a form of images has.
    static let mostParts = 4096
    /// More bytes than the headers of a part have.
    private static let longestHeaders = 4096

    package let parts: [Part]

    /// - Parameter boundary: what stands between the parts, as the content type has it.
    /// - Throws: ``WebError`` for a body that is cut, or no such form.
    package init(_ body: [UInt8], boundary: String) throws {
        func malformed(_ what: String) -> WebError {
            WebError(.badRequest, "the multipart body \(what); let a library for HTTP write it, or use curl --form")
        }
        let opening = Array("--\(boundary)".utf8)
        let line: [UInt8] = [0x0D, 0x0A]
        guard let start = Self.find(opening, in: body[...]) else { throw malformed("has no boundary") }
        var rest = body[(start + opening.count)...]
        var parts: [Part] = []
        while !rest.starts(with: "--".utf8) {
            guard rest.starts(with: line) else { throw malformed("has text behind a boundary") }
            rest = rest.dropFirst(2)
            // Headers end with an empty line, and a part before the next boundary.
            guard let headersEnd = Self.find(line + line, in: rest.prefix(Self.longestHeaders)) else {
                throw malformed("has a part whose headers do not end")
            }
            let headers = String(decoding: rest[..<headersEnd], as: UTF8.self)
            let content = rest[(headersEnd + 4)...]
            guard let end = Self.find(line + opening, in: content) else { throw malformed("ends inside a part") }
            guard let name = Self.parameter("name", of: headers) else { throw malformed("has a part without a name") }
            guard parts.count < Self.mostParts else { throw malformed("has more than \(Self.mostParts) parts") }
            parts.append(
                Part(name: name, fileName: Self.parameter("filename", of: headers), content: content[..<end]))
            rest = content[(end + 2 + opening.count)...]
        }
        self.parts = parts
    }

    /// The boundary that a content type names: 1…70 characters.
    package static func boundary(of contentType: String) -> String? {
        guard let match = contentType.firstMatch(of: /(?i)boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/) else {
            return nil
        }
        return String(match.1 ?? match.2 ?? "")
    }

    /// A parameter of the header `Content-Disposition`.
    private static func parameter(_ name: String, of headers: String) -> String? {
        let line = headers.split(whereSeparator: \.isNewline).first {
            $0.lowercased().hasPrefix("content-disposition:")
        }
        for parameter in line?.split(separator: ";").dropFirst() ?? [] {
            let sides = parameter.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if sides.count == 2, sides[0].lowercased() == name {
                return sides[1].trimmingCharacters(in: CharacterSet(charactersIn: "\""))
            }
        }
        return nil
    }

    /// Where a pattern of at least one byte begins in some bytes.
    private static func find(_ pattern: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        bytes.withUnsafeBytes { all in
            guard let base = all.baseAddress else { return nil }
            var start = 0
            while start + pattern.count <= all.count,
                let found = memchr(base + start, Int32(pattern[0]), all.count - pattern.count + 1 - start)
            {
                start = UnsafeRawPointer(found) - base
                if memcmp(base + start, pattern, pattern.count) == 0 { return bytes.startIndex + start }
                start += 1
            }
            return nil
        }
    }
}
