import Foundations
import TestSupport
import Testing

@testable import Serving

struct AccessTokenTests {
    @Test("a token is the text of a file without white space around it, and nothing else matches")
    func matches() throws {
        let folder = try TemporaryFolder()
        try folder.write("  0123456789abcdef\n", to: "token")
        let token = try AccessToken(file: folder.path("token"))
        #expect(token.matches("0123456789abcdef"))
        for text in ["", "0123456789abcdeF", "0123456789abcde", "0123456789abcdef "] { #expect(!token.matches(text)) }
    }

    @Test(
        "a short token, one of several words and a missing file are one line each",
        arguments: ["", "short", "two words are none"])
    func refusals(_ text: String) throws {
        let folder = try TemporaryFolder()
        #expect(throws: UserError.self) { try AccessToken(text, from: "TOKEN") }
        #expect(throws: UserError.self) { try AccessToken(file: folder.path("nothing")) }
    }

    @Test("only addresses of this machine are loopback")
    func loopback() {
        var settings = WebSettings()
        for (host, expected) in [
            ("127.0.0.1", true), ("127.8.0.1", true), ("localhost", true), ("::1", true), ("0.0.0.0", false),
            ("127.0.0.1.example.org", false), ("::", false),
        ] {
            settings.host = host
            #expect(settings.isLoopback == expected, "\(host)")
        }
    }
}
