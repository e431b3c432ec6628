import Foundations
import LDMTraining
import TestSupport
import Testing

struct LDMCorpusTests {
    @Test func aManifestWithoutImagesIsNamed() throws {
        let folder = try TemporaryFolder()
        try folder.write("", to: "corpus/manifest.jsonl")
        let error = #expect(throws: UserError.self) { try LDMCorpus(folder: folder.path("corpus"), size: 32) }
        #expect(error?.message.hasPrefix("\(folder.path("corpus/manifest.jsonl")): lists no image to train on") == true)
    }
}
