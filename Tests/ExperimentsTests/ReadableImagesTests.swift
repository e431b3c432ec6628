import DomainGeneralization
import Foundation
import Foundations
import TestSupport
import Testing

@testable import Experiments

struct ReadableImagesTests {
    let folder: TemporaryFolder
    let dataset: ImageFolder

    init() throws {
        folder = try TemporaryFolder()
        dataset = try ImageFolder(try folder.makeDataset(count: 4))
    }

    /// - Parameter largestWhole: below the data set's 24 images.
    private func large(skipCorrupt: Bool = false, warn: (String) -> Void = { _ in }) throws -> ReadableImages {
        try ReadableImages(
            dataset, skipCorrupt: skipCorrupt, threads: 2, largestWhole: 20, sampleSize: 3, remedy: "restore it",
            warn: warn)
    }

    private func spoil(_ item: Int) throws {
        try Data("text".utf8).write(to: URL(fileURLWithPath: dataset.items[item].path))
    }

    @Test func readsASampleOfALargeDataSet() throws {
        #expect(dataset.sample(3) == [0, 8, 16])
        var warnings: [String] = []
        let sampled = try large { warnings.append($0) }
        #expect(sampled.images.isSampled && sampled.dataset.items.count == 24)
        #expect(warnings.count == 1 && warnings[0].contains("24 images, of which 3 are read before the start"))
        let whole = try ReadableImages(dataset, skipCorrupt: false, threads: 2, remedy: "", warn: { _ in })
        #expect(!whole.images.isSampled)
        for item in dataset.items { #expect(try sampled.images.image(item) == whole.images.image(item)) }
    }

    /// What is outside the sample is found when it is needed; in the sample, or where all are asked for, before the start.
    @Test func findsWhatCannotBeRead() throws {
        try spoil(9)
        let contents = try large().images
        #expect(throws: (any Error).self) { try contents.image(dataset.items[9]) }
        let skipping = try large(skipCorrupt: true)
        #expect(!skipping.images.isSampled && skipping.dataset.items.count == 23)
        try spoil(8)
        #expect { try large() } throws: {
            "\($0)".hasPrefix("\(dataset.items[8].path): not an image") && "\($0)".hasSuffix("restore it")
        }
    }

    /// A run that began with all images read is not compared with a sample of them, as a run of an earlier version.
    @Test func runsAreComparedByTheSameImages() throws {
        let sampled = try large().images
        let whole = try ReadableImages(dataset, skipCorrupt: false, threads: 2, remedy: "", warn: { _ in }).images
        func recorded(_ key: String) throws -> RunDirectory {
            try folder.write(#"{"\#(key)": "1"}"#, to: "\(key)/environment.json")
            try folder.write("", to: "\(key)/config.yaml")
            return try RunDirectory(existing: folder.path(key))
        }
        let (old, new) = (try recorded("images_sha256"), try recorded("sampled_images_sha256"))
        #expect(old.recordedContents(of: whole) == "1" && old.recordedContents(of: sampled) == nil)
        #expect(new.recordedContents(of: whole) == nil && new.recordedContents(of: sampled) == "1")
        // One changed image of the sample is another sum; one outside of it is not.
        try folder.writeImage("set/\(dataset.relativePath(of: dataset.items[9]))", seed: 100)
        #expect(try large().images.contents == sampled.contents)
        try folder.writeImage("set/\(dataset.relativePath(of: dataset.items[8]))", seed: 100)
        #expect(try large().images.contents != sampled.contents)
    }
}
