import Foundation
import Foundations
import Torch

/// What a tokenizer's files say about words: the vocabulary, the pairs that are joined, and tokens that were added.
struct TokenizerWords {
    var vocabulary: [String: Int]
    var merges: [(left: String, right: String)]
    var added: [CLIPTokenizer.AddedToken] = []

    /// Reads `vocab.json`, `merges.txt` and, where it is, `added_tokens.json`.
    /// - Throws: `FileFormatError` naming the file.
    init(folder: String) throws {
        func path(_ name: String) -> String { FilePath.join(folder, name) }
        for name in ["vocab.json", "merges.txt"] where !FileManager.default.fileExists(atPath: path(name)) {
            throw FileFormatError(
                path: path(name), problem: "no such file, and no tokenizer.json beside it",
                remedy: "run scripts/bootstrap, which lays out CLIP's vocabulary for the embedded model, or fetch the "
                    + "model's tokenizer folder again")
        }
        vocabulary = try JSONFile.wholeNumbers(path("vocab.json"))
        merges = try Self.merges(path("merges.txt"), limit: .max)
        if FileManager.default.fileExists(atPath: path("added_tokens.json")) {
            added = try JSONFile.wholeNumbers(path("added_tokens.json")).sorted { $0.value < $1.value }.map {
                .init(token: .init(content: $0.key, isNormalized: true), id: $0.value)
            }
        }
        try check(vocabularyFile: path("vocab.json"), mergesFile: path("merges.txt"))
    }

    /// Reads `tokenizer.json`, the one file of Hugging Face's tokenizers library.
    /// - Throws: `FileFormatError` naming it, also for a tokenizer that is not CLIP's.
    init(file path: String) throws {
        func refusal(_ problem: String, _ remedy: String = "fetch the file again") -> FileFormatError {
            FileFormatError(path: path, problem: problem, remedy: remedy)
        }
        let object = try JSONFile.object(path)
        guard let model = object["model"], let ids = model["vocab"]?.object, let pairs = model["merges"]?.array,
            ids.values.allSatisfy({ $0.int != nil })
        else { throw refusal("no vocabulary and merges of byte-pair encoding in it") }
        guard model["type"]?.string ?? "BPE" == "BPE", model["end_of_word_suffix"]?.string == "</w>",
            (model["continuing_subword_prefix"]?.string ?? "").isEmpty, model["byte_fallback"]?.bool != true,
            model["ignore_merges"]?.bool != true, Self.isCLIPs(object)
        else {
            throw refusal("not a tokenizer of CLIP", "take the tokenizer of a Stable Diffusion 1.x or 2.x model")
        }
        vocabulary = ids.compactMapValues(\.int)
        merges = try pairs.map { pair in
            let parts = pair.strings ?? pair.string?.split(separator: " ").map(String.init) ?? []
            guard parts.count == 2 else { throw refusal("a merge that is not a pair of tokens") }
            return (parts[0], parts[1])
        }
        added = try (object["added_tokens"]?.array ?? []).map { token in
            guard let content = token["content"]?.string, let id = token["id"]?.int else {
                throw refusal("an added token without content or id")
            }
            for key in ["lstrip", "rstrip", "single_word"] where token[key]?.bool == true {
                throw refusal("\(key) of the token \"\(content.prefix(40))\" is not supported", "name another model")
            }
            return .init(token: .init(content: content, isNormalized: token["normalized"]?.bool ?? true), id: id)
        }
        try check(vocabularyFile: path, mergesFile: path)
    }

    /// Whether text is split and lower-cased as CLIP does.
    private static func isCLIPs(_ object: [String: JSONValue]) -> Bool {
        func steps(_ key: String, _ list: String) -> [JSONValue] {
            let value = object[key] ?? [:]
            return value[list]?.array ?? [value]
        }
        let split = steps("pre_tokenizer", "pretokenizers").first { $0["type"]?.string == "Split" }
        let pattern = split?["pattern"]?["Regex"]?.string
        return steps("normalizer", "normalizers").contains { $0["type"]?.string == "Lowercase" }
            && pattern?.hasSuffix(#"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#) == true
    }

    /// Refuses ids that are none, and merges that do not make the vocabulary's words: every text would be cut otherwise.
    private func check(vocabularyFile: String, mergesFile: String) throws {
        let ids = vocabulary.values + added.map(\.id)
        guard ids.allSatisfy({ (0...Int(Int32.max)).contains($0) }) else {
            throw FileFormatError(path: vocabularyFile, problem: "an id out of range", remedy: "fetch the file again")
        }
        let made = Set(merges.map { $0.left + $0.right })
        let missing = vocabulary.keys.lazy.filter { word in
            let letters = word.hasSuffix("</w>") ? word.unicodeScalars.dropLast(4).count : word.unicodeScalars.count
            return letters > 1 && !made.contains(word) && !word.hasPrefix("<|")
                && !added.contains { $0.token.content == word }
        }.count
        guard missing == 0 else {
            throw FileFormatError(
                path: mergesFile,
                problem: "makes all but \(missing) of the vocabulary's words: it is cut short or another's",
                remedy: "fetch the tokenizer's files again")
        }
    }

    /// The pairs of `merges.txt`, or of OpenAI's list.
    /// - Parameter limit: how many to read.
    static func merges(_ path: String, limit: Int) throws -> [(left: String, right: String)] {
        let text = try MappedFile(path: path).withBytes { String(decoding: $0, as: UTF8.self) }
        let lines = text.split(separator: "\n")
        return try lines.dropFirst(lines.first?.contains("#version") == true ? 1 : 0).prefix(limit).map { line in
            let parts = line.split(separator: " ")
            guard parts.count == 2 else {
                throw FileFormatError(
                    path: path, problem: "\"\(line.prefix(40))\" is not a pair of tokens",
                    remedy: "fetch the file again")
            }
            return (String(parts[0]), String(parts[1]))
        }
    }
}
