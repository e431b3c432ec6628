import Foundation
import Foundations
import Testing
import Torch

@testable import Diffusion

/// The tokenizer gives the ids of transformers' CLIPTokenizer.
struct TokenizerTests {
    struct Golden: Decodable {
        let text: String
        /// Ids by vocabulary; the last one repeats to fill 77.
        let full1, full2, small1, small2, added: [Int]
        /// What is cut off.
        let cut: String?
    }

    static func golden() throws -> [Golden] {
        let path = try fixture("tokenizer/golden.json")
        return try JSONDecoder().decode([Golden].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// OpenAI's merges, where scripts/bootstrap has put them.
    static let merges = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("data/packages/bpe_simple_vocab_16e6.txt")
        .path
    static var hasMerges: Bool { FileManager.default.fileExists(atPath: merges) }

    private func compare(_ tokenizer: CLIPTokenizer, _ expected: KeyPath<Golden, [Int]>) throws {
        for golden in try Self.golden() {
            let ids = golden[keyPath: expected]
            let padded = ids + Array(repeating: ids[ids.count - 1], count: 77 - ids.count)
            #expect(tokenizer.encode(golden.text) == padded, "\(golden.text.debugDescription)")
        }
    }

    @Test func equalsTransformersWithSmallVocabularies() throws {
        try compare(CLIPTokenizer(folder: fixture("sd1/tokenizer")), \.small1)
        try compare(CLIPTokenizer(folder: fixture("sd2/tokenizer")), \.small2)
    }

    /// Folders that today's transformers write: `tokenizer.json` and `tokenizer_config.json` alone.
    @Test func readsTheOneFileOfToday() throws {
        try compare(CLIPTokenizer(folder: fixture("tokenizer/small1")), \.small1)
        try compare(CLIPTokenizer(folder: fixture("tokenizer/small2")), \.small2)
        let added = try CLIPTokenizer(folder: fixture("tokenizer/added"))
        try compare(added, \.added)
        #expect(added.lastToken == 641)

        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try added.write(to: folder)
        try compare(CLIPTokenizer(folder: folder), \.added)
        try FileManager.default.removeItem(atPath: folder)
        // The same two words as older folders have them.
        try FileManager.default.copyItem(atPath: fixture("sd1/tokenizer"), toPath: folder)
        try AtomicFile.write("{\"<cat-toy>\": 640, \"Style-X\": 641}", to: "\(folder)/added_tokens.json")
        try compare(CLIPTokenizer(folder: folder), \.added)
    }

    @Test func refusesAnotherTokenizer() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.copyItem(atPath: fixture("tokenizer/added"), toPath: folder)
        let path = "\(folder)/tokenizer.json"
        let whole = try String(contentsOfFile: path, encoding: .utf8)
        for (part, other, reason) in [
            ("\"</w>\"", "\"\"", "not a tokenizer of CLIP"), ("\"Lowercase\"", "\"NFD\"", "not a tokenizer of CLIP"),
            ("[\\\\p{N}]|", "", "not a tokenizer of CLIP"), ("\"type\": \"BPE\"", "\"type\": \"Unigram\"", "not a tok"),
            ("\"lstrip\": false", "\"lstrip\": true", "lstrip of the token \"<|startoftext|>\" is not supported"),
            ("\"merges\"", "\"mergers\"", "no vocabulary and merges"), ("\"th\": ", "\"th\": -", "an id out of range"),
            ("\"in\": 512", "\"in\": true", "no vocabulary and merges"), ("\"vocab\"", "\"merges\"", "appears twice"),
        ] {
            #expect(whole.contains(part), "\(part)")
            let range = try #require(whole.range(of: part))
            try AtomicFile.write(whole.replacingCharacters(in: range, with: other), to: path)
            let error = #expect(throws: FileFormatError.self) { try CLIPTokenizer(folder: folder) }
            #expect(error?.description.contains(reason) == true, "\(part): \(error?.description ?? "")")
        }
    }

    /// Merges that are missing cut every text in single letters: they are missed.
    @Test(arguments: [0, 1, 100]) func refusesMergesThatAreCutShort(count: Int) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.copyItem(atPath: fixture("sd1/tokenizer"), toPath: folder)
        let path = "\(folder)/merges.txt"
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").prefix(count)
        try AtomicFile.write(lines.map { $0 + "\n" }.joined(), to: path)
        let error = #expect(throws: FileFormatError.self) { try CLIPTokenizer(folder: folder) }
        #expect(error?.path == path && error?.problem.contains("of the vocabulary's words") == true)
    }

    @Test(.enabled(if: hasMerges)) func equalsTransformersWithTheWholeVocabulary() throws {
        let tokenizer = try CLIPTokenizer(openAIMerges: Self.merges)
        try compare(tokenizer, \.full1)
        for golden in try Self.golden() {
            #expect(tokenizer.encoding(of: golden.text).cutOff == golden.cut, "\(golden.text.debugDescription)")
        }
        let prompt = "a photo of an astronaut riding a horse on mars"
        #expect(
            tokenizer.encode(prompt).prefix(12) == [
                49406, 320, 1125, 539, 550, 18376, 6765, 320, 4558, 525, 7496, 49407,
            ])
    }

    @Test(.enabled(if: hasMerges)) func readsWhatItWrites() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try CLIPTokenizer(openAIMerges: Self.merges).write(to: folder)
        try compare(CLIPTokenizer(folder: folder), \.full1)

        let small = try CLIPTokenizer(folder: fixture("sd2/tokenizer"))
        try small.write(to: folder)
        let copy = try CLIPTokenizer(folder: folder)
        #expect(copy.special == small.special)
        #expect(copy.encoder.vocabulary == small.encoder.vocabulary)
        for name in ["vocab.json", "merges.txt"] {
            #expect(
                try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
                    == String(contentsOfFile: fixture("sd2/tokenizer/\(name)"), encoding: .utf8))
        }
    }

    @Test func readsTheNewerKindOfConfiguration() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.copyItem(atPath: fixture("sd2/tokenizer"), toPath: folder)
        let config = """
            {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "!",
             "model_max_length": 1000000000000000019884624838656, "added_tokens_decoder": {
             "0": {"content": "!", "normalized": false}, "638": {"content": "<|startoftext|>", "normalized": true},
             "639": {"content": "<|endoftext|>", "normalized": true}}}
            """
        try AtomicFile.write(config, to: "\(folder)/tokenizer_config.json")
        try FileManager.default.removeItem(atPath: "\(folder)/special_tokens_map.json")
        try compare(CLIPTokenizer(folder: folder), \.small2)
    }

    @Test func encodesALongTextQuickly() throws {
        let tokenizer = try CLIPTokenizer(folder: fixture("sd1/tokenizer"))
        let letters = (0..<20_000).map { _ in "abcdefghijklmnopqrstuvwxyz".randomElement() ?? "a" }
        let start = ContinuousClock.now
        #expect(tokenizer.encoding(of: String(letters)).isTruncated)
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test func namesWhatIsMissing() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let error = #expect(throws: FileFormatError.self) { try CLIPTokenizer(folder: folder) }
        #expect(error?.path == folder + "/vocab.json")
        #expect(error?.remedy.contains("scripts/bootstrap") == true)
        try FileManager.default.copyItem(atPath: fixture("sd1/tokenizer"), toPath: folder)
        for (file, text) in [("vocab.json", "{\"a\": 1}"), ("vocab.json", "[1]"), ("merges.txt", "a b c\n")] {
            let original = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            try AtomicFile.write(text, to: "\(folder)/\(file)")
            let error = #expect(throws: FileFormatError.self) { try CLIPTokenizer(folder: folder) }
            #expect(error?.description.contains("\n") == false)
            try AtomicFile.write(original, to: "\(folder)/\(file)")
        }
    }
}
