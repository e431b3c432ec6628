import Diffusion
import Foundation
import Testing
import Torch

@testable import LDMTraining

@Suite struct TokenSubsetTests {
    private static let embedding = "text_model.embeddings.token_embedding.weight"

    @Test func expandsAndReducesTheVocabulary() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let tokenizer = try CLIPTokenizer(
            folder: tests.appendingPathComponent("DiffusionTests/Fixtures/sd1/tokenizer").path)
        let subset = TokenSubset(tokenizer, ["", "a photo of a dog"])
        #expect(subset.ids.shape == [2, tokenizer.contextLength])
        // The subset's ids lead back to the tokenizer's.
        let original = subset.ids.scalars(Int.self).map { subset.used[$0] }
        #expect(original == tokenizer.encode("") + tokenizer.encode("a photo of a dog"))

        var trained = StateDict()
        let rows = Tensor.randn([subset.used.count, 4], generator: Generator(seed: 1))
        trained[Self.embedding] = rows
        let whole = subset.expanded(trained, vocabulary: 640)
        let table = try #require(whole[Self.embedding])
        #expect(table.shape == [640, 4])
        for (number, id) in subset.used.enumerated() {
            #expect(table[id].scalars(Float.self) == rows[number].scalars(Float.self))
        }
        // A token that never occurred gets the mean vector.
        let unused = try #require((0..<640).first { !subset.used.contains($0) })
        #expect((table[unused] - rows.mean([0])).abs().max().item() < 1e-6)
        #expect(subset.reduced(whole)[Self.embedding]?.scalars(Float.self) == rows.scalars(Float.self))
    }
}
