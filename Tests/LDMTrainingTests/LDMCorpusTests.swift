import DomainGeneralization
import Foundations
import LDMTraining
import Pixels
import TestSupport
import Testing

struct LDMCorpusTests {
    @Test func aManifestWithoutImagesIsNamed() throws {
        let folder = try TemporaryFolder()
        try folder.write("", to: "corpus/manifest.jsonl")
        let error = #expect(throws: UserError.self) { try LDMCorpus(folder: folder.path("corpus"), size: 32) }
        #expect(error?.message.hasPrefix("\(folder.path("corpus/manifest.jsonl")): lists no image to train on") == true)
    }

    /// Ten images of a class in each of three domains.
    private func makeDataset(_ folder: TemporaryFolder) throws {
        for domain in ["art_painting", "photo", "sketch"] {
            try AtomicFile.makeFolder(folder.path("set/\(domain)/guitar"))
            for index in 0..<10 {
                let image = RGBImage(width: 6, height: 4, pixels: [UInt8](repeating: UInt8(20 * index), count: 72))
                try PNG.write(image, to: folder.path("set/\(domain)/guitar/\(index).png"))
            }
        }
    }

    /// What a run with the domain held out validates on, or holds out, is never learned from.
    @Test func learnsFromTheTrainingPartsOfTheSourceDomainsAlone() throws {
        let folder = try TemporaryFolder()
        try makeDataset(folder)
        let dataset = try ImageFolder(folder.path("set"))
        let corpus = try LDMCorpus(
            dataset: dataset, size: 8, without: ["sketch"], styles: ["photo": "photograph"])
        let split = Split(dataset, trialSeed: 0)
        func paths(_ parts: [[Int]]) -> [String] {
            parts[0...1].joined().sorted().map { dataset.relativePath(of: dataset.items[$0]) }
        }
        #expect(corpus.training.entries.map(\.path) == paths(split.training))
        #expect(corpus.heldOut.entries.map(\.path) == paths(split.validation))
        #expect(corpus.training.images.shape == [16, 3, 8, 8])
        #expect(corpus.classes == ["guitar"])
        let captions = Set(corpus.entries.flatMap(\.captions))
        #expect(captions == ["an art painting of a guitar", "a photograph of a guitar", "a picture of a guitar"])

        #expect(throws: UserError.self) { try LDMCorpus(dataset: dataset, size: 8, without: ["sketches"]) }
        let all = ["art_painting", "photo", "sketch"]
        let error = #expect(throws: UserError.self) { try LDMCorpus(dataset: dataset, size: 8, without: all) }
        #expect(error?.message.hasSuffix("no image to train on is left; leave fewer domains out") == true)
    }
}
