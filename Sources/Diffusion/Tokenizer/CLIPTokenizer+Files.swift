import Foundation
import Foundations
import Torch

extension CLIPTokenizer {
    /// Reads a `tokenizer/` folder in diffusers layout: `vocab.json` and `merges.txt`, or `tokenizer.json`, which has the
    /// content of both; and, where they are, `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`.
    ///
    /// - Throws: `FileFormatError` naming the file that is missing or does not fit the others.
    public init(folder: String) throws {
        func path(_ name: String) -> String { FilePath.join(folder, name) }
        func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
        let isWhole = !exists("tokenizer.json") || exists("vocab.json") && exists("merges.txt")
        let words = try isWhole ? TokenizerWords(folder: folder) : TokenizerWords(file: path("tokenizer.json"))
        let config = try Self.decodeIfPresent(TokenizerConfig.self, path("tokenizer_config.json")) ?? .init()
        let map = try Self.decodeIfPresent(TokenizerConfig.self, path("special_tokens_map.json")) ?? .init()
        let configured = config.addedTokens
        let added = configured + words.added.filter { token in !configured.contains { $0.id == token.id } }
        do {
            try self.init(
                vocabulary: words.vocabulary, merges: words.merges, special: config.specialTokens(map, added),
                added: added, contextLength: Int(max(2, min(config.model_max_length ?? 77, 77))))
        } catch let failure as BytePairEncoder.Failure {
            throw FileFormatError(path: folder, problem: failure.problem, remedy: "fetch the tokenizer's files again")
        }
    }

    /// Builds CLIP's tokenizer from OpenAI's `bpe_simple_vocab_16e6.txt` (decompressed), as Stable Diffusion 1.x has it.
    ///
    /// - Parameter padding: the token that fills a prompt up in place of the end token; "!" in Stable Diffusion 2.x.
    /// - Throws: `FileFormatError` if the file is missing or is another one.
    public init(openAIMerges path: String, contextLength: Int = 77, padding: String? = nil) throws {
        let merges = try TokenizerWords.merges(path, limit: 49_152 - 256 - 2)
        let bytes = BytePairEncoder.bytesInOrder.map { String(BytePairEncoder.byteCharacters[$0]) }
        let tokens =
            bytes + bytes.map { $0 + "</w>" } + merges.map { $0.left + $0.right } + [
                "<|startoftext|>", "<|endoftext|>",
            ]
        let vocabulary = Dictionary(tokens.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        do {
            guard vocabulary.count == 49_408 else { throw BytePairEncoder.Failure(problem: "not CLIP's merges") }
            var special = SpecialTokens()
            if let padding { special.pad = SpecialToken(content: padding, isNormalized: false) }
            try self.init(vocabulary: vocabulary, merges: merges, special: special, contextLength: contextLength)
        } catch let failure as BytePairEncoder.Failure {
            throw FileFormatError(path: path, problem: failure.problem, remedy: "fetch bpe_simple_vocab_16e6.txt again")
        }
    }

    /// Writes the tokenizer as a folder in diffusers layout, which transformers and ``init(folder:)`` read.
    ///
    /// - Throws: `FileFormatError` if the folder cannot be made or written.
    public func write(to folder: String) throws {
        func path(_ name: String) -> String { FilePath.join(folder, name) }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw FileFormatError(
                path: folder, problem: "cannot be made", remedy: "choose a folder that you may write to")
        }
        // Tokens consist of printable characters: only these two need escaping.
        let entries = encoder.vocabulary.sorted { $0.value < $1.value }.map { token, id in
            let escaped = token.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            return "\"\(escaped)\": \(id)"
        }
        try AtomicFile.write("{\(entries.joined(separator: ", "))}", to: path("vocab.json"))
        let lines = encoder.merges.map { "\($0.left) \($0.right)\n" }
        try AtomicFile.write("#version: 0.2\n" + lines.joined(), to: path("merges.txt"))

        var config = TokenizerConfig()
        config.bos_token = .init(special.begin)
        config.eos_token = .init(special.end)
        config.unk_token = .init(special.unknown)
        config.pad_token = .init(special.pad)
        try Self.write(config, to: path("special_tokens_map.json"))
        config.model_max_length = Double(contextLength)
        config.tokenizer_class = "CLIPTokenizer"
        if !added.isEmpty {
            config.added_tokens_decoder = Dictionary(
                added.map { ("\($0.id)", TokenizerConfig.Token($0.token)) }, uniquingKeysWith: { $1 })
        }
        try Self.write(config, to: path("tokenizer_config.json"))
    }

    // MARK: Files

    private static func decode<Value: Decodable>(_ type: Value.Type, _ path: String) throws -> Value {
        let file = try MappedFile(path: path)
        do {
            return try JSONDecoder().decode(type, from: file.withBytes { Data($0) })
        } catch {
            throw FileFormatError(path: path, problem: "not the JSON expected here", remedy: "fetch the file again")
        }
    }

    private static func decodeIfPresent<Value: Decodable>(_ type: Value.Type, _ path: String) throws -> Value? {
        FileManager.default.fileExists(atPath: path) ? try decode(type, path) : nil
    }

    private static func write(_ config: TokenizerConfig, to path: String) throws {
        let json = JSONEncoder()
        json.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(String(decoding: json.encode(config), as: UTF8.self) + "\n", to: path)
    }
}

/// The parts of `tokenizer_config.json` and `special_tokens_map.json` that matter, under the files' own names.
private struct TokenizerConfig: Codable {
    var bos_token: Token?
    var eos_token: Token?
    var unk_token: Token?
    var pad_token: Token?
    var model_max_length: Double?
    var tokenizer_class: String?
    var added_tokens_decoder: [String: Token]?

    /// The tokens of the newer kind of file, by their ids.
    var addedTokens: [CLIPTokenizer.AddedToken] {
        (added_tokens_decoder ?? [:]).compactMap { id, token in
            Int(id).map {
                .init(token: .init(content: token.content, isNormalized: token.normalized ?? false), id: $0)
            }
        }.sorted { $0.id < $1.id }
    }

    /// The special tokens, with what `map` says in place of this file's where the file is of the older kind.
    /// - Parameter known: tokens whose way of being looked for is known.
    func specialTokens(
        _ map: TokenizerConfig, _ known: [CLIPTokenizer.AddedToken]
    ) -> CLIPTokenizer.SpecialTokens {
        let isOld = added_tokens_decoder == nil
        func token(_ role: KeyPath<TokenizerConfig, Token?>, _ fallback: CLIPTokenizer.SpecialToken)
            -> CLIPTokenizer.SpecialToken
        {
            guard let token = (isOld ? map[keyPath: role] : nil) ?? self[keyPath: role] else { return fallback }
            let added = known.first { $0.token.content == token.content }?.token
            return added ?? .init(content: token.content, isNormalized: token.normalized ?? false)
        }
        let standard = CLIPTokenizer.SpecialTokens()
        return .init(
            begin: token(\.bos_token, standard.begin), end: token(\.eos_token, standard.end),
            unknown: token(\.unk_token, standard.unknown), pad: token(\.pad_token, standard.pad))
    }

    /// A token that stands as a plain string or as an object.
    struct Token: Codable {
        var content: String
        var normalized: Bool?

        enum CodingKeys: String, CodingKey { case content, normalized, lstrip, rstrip, single_word }

        init(_ token: CLIPTokenizer.SpecialToken) {
            content = token.content
            normalized = token.isNormalized ? true : nil
        }

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                content = text
            } else {
                let fields = try decoder.container(keyedBy: CodingKeys.self)
                content = try fields.decode(String.self, forKey: .content)
                normalized = try fields.decodeIfPresent(Bool.self, forKey: .normalized)
            }
        }

        func encode(to encoder: any Encoder) throws {
            guard let normalized else {
                var container = encoder.singleValueContainer()
                return try container.encode(content)
            }
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(content, forKey: .content)
            try fields.encode(normalized, forKey: .normalized)
            for key in [CodingKeys.lstrip, .rstrip, .single_word] { try fields.encode(false, forKey: key) }
        }
    }
}
