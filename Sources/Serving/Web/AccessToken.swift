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

    private static func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 }

    /// Whether a text is the token. The time that it takes does not tell how much of it is right.
    func matches(_ text: some StringProtocol) -> Bool {
        let given = Array(text.utf8)
        guard given.count == bytes.count else { return false }
        return zip(given, bytes).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
