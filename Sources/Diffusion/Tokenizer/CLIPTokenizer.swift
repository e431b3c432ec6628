import Foundation

/// CLIP's text tokenizer: the ids that transformers' `CLIPTokenizer` gives, for Stable Diffusion 1.x and 2.x.
///
/// ```swift
/// let tokenizer = try CLIPTokenizer(folder: "stable-diffusion/tokenizer")
/// let ids = tokenizer.encode("a photo of an astronaut")  // 77 ids
/// ```
public struct CLIPTokenizer: Sendable {
    /// A prompt as a text encoder takes it.
    public struct Encoding: Equatable, Sendable {
        /// Ids of the begin token, the text, the end token and padding: ``CLIPTokenizer/contextLength`` in all.
        public let ids: [Int]
        /// The end of a text that was too long, which the ids lack; worth a warning.
        public let cutOff: String?
        /// Whether the text was too long and its end was cut off.
        public var isTruncated: Bool { cutOff != nil }
    }

    /// A token that is recognised as a whole in the text.
    struct SpecialToken: Equatable, Sendable {
        var content: String
        /// Whether it is looked for in lower-cased text; otherwise in the text as written.
        var isNormalized: Bool
    }

    /// A token that is recognised as a whole, and its id.
    struct AddedToken: Equatable, Sendable {
        var token: SpecialToken
        var id: Int
    }

    /// Number of ids of an encoded prompt (77).
    public let contextLength: Int
    /// The id that begins every prompt.
    public let beginToken: Int
    /// The id that ends every prompt.
    public let endToken: Int
    /// The id that fills a prompt up: the end token in Stable Diffusion 1.x, that of "!" in 2.x.
    public let padToken: Int

    let encoder: BytePairEncoder
    let special: SpecialTokens
    /// Tokens beside the vocabulary (words that were taught to a model) and their ids.
    let added: [AddedToken]
    private let asWritten: [(scalars: [Unicode.Scalar], id: Int)]
    private let normalized: [(scalars: [Unicode.Scalar], id: Int)]

    /// The special tokens by their role.
    struct SpecialTokens: Equatable, Sendable {
        var begin = SpecialToken(content: "<|startoftext|>", isNormalized: true)
        var end = SpecialToken(content: "<|endoftext|>", isNormalized: true)
        var unknown = SpecialToken(content: "<|endoftext|>", isNormalized: true)
        var pad = SpecialToken(content: "<|endoftext|>", isNormalized: false)
    }

    /// - Throws: `BytePairEncoder.Failure` if vocabulary, merges and special tokens do not fit together.
    init(
        vocabulary: [String: Int], merges: [(left: String, right: String)], special: SpecialTokens,
        added: [AddedToken] = [], contextLength: Int = 77
    ) throws {
        func id(_ token: SpecialToken) throws -> Int {
            let known = vocabulary[token.content] ?? added.first { $0.token.content == token.content }?.id
            guard let id = known else {
                throw BytePairEncoder.Failure(problem: "\"\(token.content)\" is not in the vocabulary")
            }
            return id
        }
        beginToken = try id(special.begin)
        endToken = try id(special.end)
        padToken = try id(special.pad)
        encoder = try BytePairEncoder(vocabulary: vocabulary, merges: merges, unknown: id(special.unknown))
        self.special = special
        self.added = added
        self.contextLength = contextLength

        // Where two roles share a token, the last one's way of looking for it counts, as in transformers.
        var tokens: [SpecialToken] = added.map(\.token)
        for token in [special.begin, special.end, special.unknown, special.pad] {
            tokens.removeAll { $0.content == token.content }
            tokens.append(token)
        }
        asWritten = try tokens.filter { !$0.isNormalized }.map { (Array($0.content.unicodeScalars), try id($0)) }
        normalized = try tokens.filter(\.isNormalized).map { (CLIPWords.normalized($0.content), try id($0)) }
    }

    /// The largest id that a prompt may have.
    var lastToken: Int { max(encoder.vocabulary.values.max() ?? 0, added.map(\.id).max() ?? 0) }

    /// Encodes a prompt; text past the context's length is cut off (see ``encoding(of:)``).
    public func encode(_ text: String) -> [Int] { padded(tokens(of: text)) }

    /// Encodes a prompt and says what of it was cut off.
    public func encoding(of text: String) -> Encoding {
        let tokens = tokens(of: text)
        let rest = tokens.dropFirst(contextLength - 2)
        return Encoding(ids: padded(tokens), cutOff: rest.isEmpty ? nil : decode(rest))
    }

    private func padded(_ tokens: [Int]) -> [Int] {
        let ids = [beginToken] + tokens.prefix(contextLength - 2) + [endToken]
        return ids + Array(repeating: padToken, count: contextLength - ids.count)
    }

    /// The text that ids stand for: lower-cased, with one space between words, as transformers gives it.
    public func decode(_ ids: some Collection<Int>) -> String {
        let wanted = Set(ids)
        let tokens = Dictionary(
            encoder.vocabulary.filter { wanted.contains($0.value) }.map { ($0.value, $0.key) }, uniquingKeysWith: min)
        let own = Dictionary(added.map { ($0.id, $0.token.content + " ") }, uniquingKeysWith: min)
        let bytes = ids.flatMap { id in own[id].map { Array($0.utf8) } ?? BytePairEncoder.bytes(of: tokens[id] ?? "") }
        return String(decoding: bytes, as: UTF8.self).replacing("</w>", with: " ").trimmingCharacters(in: .whitespaces)
    }

    /// The ids of the text alone: no begin, end or padding, and not cut off.
    public func tokens(of text: String) -> [Int] {
        pieces(Array(text.unicodeScalars)[...], asWritten).flatMap { piece -> [Int] in
            switch piece {
            case .token(let id): return [id]
            case .text(let scalars):
                var text = String.UnicodeScalarView()
                text.append(contentsOf: scalars)
                return pieces(CLIPWords.normalized(String(text))[...], normalized).flatMap { piece -> [Int] in
                    switch piece {
                    case .token(let id): [id]
                    case .text(let scalars): CLIPWords.split(scalars).flatMap(encoder.encode)
                    }
                }
            }
        }
    }

    private enum Piece {
        case token(Int)
        case text(ArraySlice<Unicode.Scalar>)
    }

    /// Cuts text at the special tokens in it, the longest where several begin at one place.
    private func pieces(
        _ text: ArraySlice<Unicode.Scalar>, _ tokens: [(scalars: [Unicode.Scalar], id: Int)]
    ) -> [Piece] {
        var pieces: [Piece] = []
        var start = text.startIndex
        var index = start
        while index < text.endIndex {
            let rest = text[index...]
            let found = tokens.filter { $0.scalars.first == rest.first && rest.starts(with: $0.scalars) }
                .max { $0.scalars.count < $1.scalars.count }
            if let found {
                if start < index { pieces.append(.text(text[start..<index])) }
                pieces.append(.token(found.id))
                index += found.scalars.count
                start = index
            } else {
                index += 1
            }
        }
        if start < index { pieces.append(.text(text[start..<index])) }
        return pieces
    }
}
