import Foundations

/// The secret that a request shows to be let in: as `Authorization: Bearer TOKEN`, or as `token=TOKEN` in the address,
/// for a link that a browser opens.
public struct AccessToken: Sendable {
    /// The shortest one that is taken, in characters.
    public static let shortest = 16

    private let bytes: [UInt8]

    /// A token of at least ``shortest`` printable ASCII characters, without spaces.
    /// - Parameters:
    ///   - text: the token; white space around it is left out.
    ///   - source: what errors call the place that it comes from.
    /// - Throws: `UserError` for any other text.
    public init(_ text: String, from source: String) throws {
        let characters = text.utf8.drop(while: Self.isSpace).reversed().drop(while: Self.isSpace).reversed()
        guard characters.count >= Self.shortest, characters.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw UserError(
                "\(source): no token of \(Self.shortest) or more letters and digits; make one: openssl rand -hex 32"
            )
        }
        bytes = Array(characters)
    }

    /// The token that the first lines of a file hold.
    /// - Throws: `UserError` for a file that is missing or holds none.
    public init(file path: String) throws {
        guard let contents = Files.contents(path) else {
            throw UserError("\(path): cannot be read; give a file that holds the token")
        }
        try self.init(String(decoding: contents.prefix(4096), as: UTF8.self), from: path)
    }

    /// A token of 32 random bytes, and its text.
    package static func random() throws -> (token: AccessToken, text: String) {
        var generator = SystemRandomNumberGenerator()
        let text = (0..<4).map { _ in
            let digits = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
        return (try AccessToken(text, from: "the random token"), text)
    }

    /// The cookie that stands for the token in a browser. Its name is the token's own, since browsers tell servers of one
    /// machine not apart by their ports; its value does not give the token away.
    var cookie: (name: String, value: String) {
        let text = String(decoding: bytes, as: UTF8.self)
        return (
            "domainfusion-\(SHA256Sum.of("name \(text)").prefix(12))", SHA256Sum.of("cookie \(text)")
        )
    }

    /// Whether a request's cookies stand for the token.
    func matches(cookies: [String]) -> Bool {
        let (name, value) = cookie
        return cookies.flatMap { $0.split(separator: ";") }.contains { part in
            let sides = part.split(separator: "=", maxSplits: 1).map { $0.drop { $0 == " " } }
            return sides.count == 2 && sides[0] == name && Self.isSame(Array(sides[1].utf8), Array(value.utf8))
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 }

    /// Whether a text is the token. The time that it takes does not tell how much of it is right.
    func matches(_ text: some StringProtocol) -> Bool {
        Self.isSame(Array(text.utf8), bytes)
    }

    private static func isSame(_ given: [UInt8], _ expected: [UInt8]) -> Bool {
        guard given.count == expected.count else { return false }
        return zip(given, expected).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
