import Foundations
import Testing

@testable import Serving

struct MultipartFormTests {
    private let body = Array(
        ("before\r\n--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a b.png\"\r\n"
            + "Content-Type: image/png\r\n\r\n"
            + "one\r\n-two\r\n--x\r\ncontent-disposition: form-data; name=top\r\n\r\n\r\n--x--\r\nafter").utf8)

    @Test("parts have their name, the file's name and their bytes")
    func parts() throws {
        let parts = try MultipartForm(body, boundary: "x").parts
        #expect(parts.map(\.name) == ["image", "top"])
        #expect(parts.map(\.fileName) == ["a b.png", nil])
        #expect(parts.map { Array($0.content) } == [Array("one\r\n-two".utf8), []])
    }

    @Test("a form that is cut anywhere before its last boundary is refused")
    func cut() {
        for length in 0..<body.count - "--\r\nafter".count {
            #expect(throws: WebError.self, "\(length) bytes") {
                try MultipartForm(Array(body.prefix(length)), boundary: "x")
            }
        }
    }

    @Test("bytes that are changed anywhere are a form or a refusal")
    func changed() {
        var generator = SeededGenerator(seed: 1)
        var refusals = 0
        for _ in 0..<500 {
            var changed = body
            for _ in 0..<3 { changed[generator.below(changed.count)] = UInt8(generator.below(256)) }
            do { _ = try MultipartForm(changed, boundary: "x") } catch { refusals += error is WebError ? 1 : 0 }
        }
        #expect((1..<500).contains(refusals))
    }

    @Test(arguments: [
        ("multipart/form-data; boundary=abc", "abc"), ("multipart/form-data; BOUNDARY=\"a b;c\"; x=y", "a b;c"),
        ("multipart/form-data", nil), ("multipart/form-data; boundary=", nil),
        ("multipart/form-data; boundary=\(String(repeating: "a", count: 71))\"", nil),
    ])
    func boundary(_ type: String, _ expected: String?) {
        #expect(MultipartForm.boundary(of: type) == expected)
    }
}
