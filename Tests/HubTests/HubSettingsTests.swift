import Foundation
import Testing

@testable import Hub

struct HubSettingsTests {
    private func settings(_ environment: [String: String]) throws -> HubSettings {
        try HubSettings(environment: ["HOME": "/nowhere"].merging(environment) { $1 })
    }

    @Test func endpointAndOffline() throws {
        #expect(try settings([:]).endpoint == "https://huggingface.co")
        #expect(try settings(["HF_ENDPOINT": " https://mirror.example/hf// "]).endpoint == "https://mirror.example/hf")
        for wrong in ["mirror.example", "ftp://mirror.example", "https://", "file:///tmp"] {
            let told = #expect(throws: (any Error).self) { try settings(["HF_ENDPOINT": wrong]) }
            #expect(
                "\(told.map { "\($0)" } ?? "")"
                    == "HF_ENDPOINT: '\(wrong.hasSuffix("//") ? "https:" : wrong)' is no address; wanted https://HOST")
        }
        for value in ["1", "ON", "yes", "True"] { #expect(try settings(["HF_HUB_OFFLINE": value]).isOffline) }
        #expect(try settings(["TRANSFORMERS_OFFLINE": "1"]).isOffline)
        for value in ["0", "", "off", "no"] { #expect(try !settings(["HF_HUB_OFFLINE": value]).isOffline) }
    }

    @Test func tokens() throws {
        let home = FileManager.default.temporaryDirectory.appendingPathComponent("token-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: home) }
        func write(_ text: String, _ path: String) throws {
            let url = URL(fileURLWithPath: "\(home)/\(path)")
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
        #expect(try settings([:]).token == nil)
        try write("hf_standard\n", ".cache/huggingface/token")
        try write(" hf_home ", "hf/token")
        try write("hf_named", "named")
        #expect(try settings(["HOME": home]).token == "hf_standard")
        #expect(try settings(["HOME": home, "HF_HOME": "~/hf"]).token == "hf_home")
        #expect(try settings(["HOME": home, "HF_TOKEN_PATH": "\(home)/named"]).token == "hf_named")
        #expect(try settings(["HOME": home, "HF_TOKEN": "hf_variable\r\n"]).token == "hf_variable")
        #expect(try settings(["HOME": home, "HUGGING_FACE_HUB_TOKEN": "hf_old"]).token == "hf_old")
        #expect(try settings(["HOME": home, "HF_TOKEN": " "]).token == "hf_standard")
        // What could smuggle another header in.
        #expect(throws: (any Error).self) { try settings(["HF_TOKEN": "hf_x\r\nX-Evil: 1"]) }
        #expect(throws: (any Error).self) { try settings(["HF_TOKEN": "hf_ü"]) }
    }

    @Test func origins() {
        #expect(URLOrigin("https://huggingface.co/a") == URLOrigin("https://HuggingFace.co:443/b?c"))
        #expect(URLOrigin("https://huggingface.co") != URLOrigin("http://huggingface.co"))
        #expect(URLOrigin("https://huggingface.co") != URLOrigin("https://huggingface.co.evil.example"))
        #expect(URLOrigin("http://127.0.0.1:80") != URLOrigin("http://127.0.0.1:81"))
        #expect(URLOrigin("https://huggingface.co@evil.example/") == URLOrigin("https://evil.example"))
        #expect(URLOrigin("huggingface.co") == nil && URLOrigin("file:///etc") == nil)
    }

    @Test func waits() throws {
        func head(_ lines: String...) -> HTTPHead { HTTPHead(lines: ["HTTP/1.1 429 Too Many Requests"] + lines) }
        #expect(RetryPolicy.wish(of: head("Retry-After: 7")) == 7)
        #expect(RetryPolicy.wish(of: head("ratelimit: \"api\";r=0;t=175")) == 175)
        #expect(RetryPolicy.wish(of: head("Server: x")) == nil)
        let now = Date(timeIntervalSince1970: 1_445_412_480)  // Wed, 21 Oct 2015 07:28:00 GMT
        #expect(RetryPolicy.wish(of: head("Retry-After: Wed, 21 Oct 2015 07:28:30 GMT"), now: now) == 30)
        #expect(RetryPolicy.wish(of: head("Retry-After: Wed, 21 Oct 2015 07:27:00 GMT"), now: now) == 0)
        #expect((1...5).map { RetryPolicy().wait(after: $0, nil) } == [1, 2, 4, 8, 16])
    }

    @Test func heads() {
        let head = HTTPHead(lines: [
            "HTTP/2 206", "Content-Range: bytes 1000-2499/2500", "X-Linked-ETag: W/\"abc\"", "content-length: 1500",
            "Link: <https://huggingface.co/api?cursor=x>; rel=\"next\"", "no colon",
        ])
        #expect(head.status == 206 && head.rangeStart == 1000 && head.contentLength == 1500)
        #expect(head.linkedTag == "abc" && head.nextPage == "https://huggingface.co/api?cursor=x")
        #expect(HTTPHead(lines: []).status == 0)
        #expect(
            [999, 12_345, 2_460, 3_438_000_000].map { "\(ByteCount($0))" } == [
                "999 bytes", "12.3 kB", "2.46 kB", "3.44 GB",
            ])
    }
}
