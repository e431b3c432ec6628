import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@Suite struct SyntheticSetTests {
    private func set(_ folder: String, round: Int = 1, settings: AugmentationSettings = someSettings()) throws
        -> SyntheticSet
    {
        var ledger = Ledger()
        return try someAugmentation(settings, store: "\(folder)/store").set(
            round: round, folder: "\(folder)/synthetic", ledger: &ledger)
    }

    @Test func isADataSetOnDisk() throws {
        try withTemporaryFolder { folder in
            let set = try set(folder, settings: someSettings { $0.budget = 0 })
            let data = try ImageFolder("\(folder)/synthetic")
            #expect(data.environments == ["d0", "d1"] && data.classes == ["c0", "c1", "c2"])
            #expect(data.items.count == 27 && data.otherFiles.isEmpty)
            let manifest = try String(contentsOfFile: "\(folder)/synthetic/manifest.jsonl", encoding: .utf8)
            let lines = manifest.split(separator: "\n")
            #expect(lines.count == 27)
            let line = try JSONDecoder().decode(JSONValue.self, from: Data(lines[0].utf8))
            #expect(
                Set(try #require(line.object).keys) == [
                    "path", "sha256", "source", "label", "class", "environment", "round", "prompts", "seeds",
                    "candidates",
                    "strength",
                    "style", "content", "style_similarities", "content_similarities", "recipe",
                ])
            let path = try #require(line["path"]?.string)
            #expect(try ImageFile.decode("\(folder)/synthetic/\(path)") == set.images[0])
        }
    }

    @Test func countsWhoseContentWasChosen() throws {
        try withTemporaryFolder { folder in
            func made(_ threshold: Double, source: Bool) throws -> SyntheticSet {
                var ledger = Ledger()
                let settings = someSettings {
                    $0.contentThreshold = threshold
                    $0.contentPool = source ? .candidatesAndSource : .candidates
                }
                let composer = Composer(
                    FourierSpace(), contents: EdgeContent(), contentThreshold: threshold, includesSource: source)
                let set = try someAugmentation(settings, store: "\(folder)/store", composer: composer)
                    .set(round: 1, folder: "\(folder)/synthetic", ledger: &ledger)
                #expect(ledger.composedUsed == set.records.count { $0.content != nil })
                return set
            }
            func shares(_ set: SyntheticSet) -> [Double] { [set.sourceContentShare, set.unchangedShare] }
            // The source is in the pool, and nothing is as like it as itself; or it is not; or nothing is close enough.
            let first = try made(0, source: true)
            #expect(shares(first) == [1, 0])
            #expect(shares(try made(0, source: false)) == [0, 0])
            #expect(shares(try made(1, source: true)) == [1, 0])
            #expect(shares(try made(1, source: false)) == [0, 1])
            // A threshold with three of the seven images' best candidates below it.
            let best = first.records.map { ($0.contentSimilarities ?? []).compactMap { $0 }.max() ?? 0 }.sorted()
            #expect(shares(try made(best[3], source: true)) == [3.0 / 7, 0])
            #expect(shares(try made(best[3], source: false)) == [0, 3.0 / 7])
        }
    }

    @Test func aRoundTakesThePlaceOfTheOneBefore() throws {
        try withTemporaryFolder { folder in
            let settings = someSettings { $0.redraw = true }
            _ = try set(folder, round: 1, settings: settings)
            // What a killed process may leave, too.
            try Data([1]).write(to: URL(fileURLWithPath: "\(folder)/synthetic/d0/c0/left-r9-0.png"))
            let second = try set(folder, round: 2, settings: settings)
            let images = try files(in: "\(folder)/synthetic").keys.filter { $0.hasSuffix(".png") }
            #expect(Set(images) == Set(second.records.map(\.path)))
            #expect(images.allSatisfy { $0.contains("-r2-") })
        }
    }

    @Test(arguments: ["image", "missing", "line", "recipe"])
    func aDamagedSetIsMadeAgain(_ damage: String) throws {
        try withTemporaryFolder { folder in
            let first = try set(folder)
            let manifest = "\(folder)/synthetic/manifest.jsonl"
            let image = "\(folder)/synthetic/\(first.records[3].path)"
            let text = try String(contentsOfFile: manifest, encoding: .utf8)
            switch damage {
            case "image": try PNG.write(RGBImage(width: 32, height: 32), to: image)
            case "missing": try FileManager.default.removeItem(atPath: image)
            case "line": try String(text.dropLast(40)).write(toFile: manifest, atomically: true, encoding: .utf8)
            default:
                try text.replacingOccurrences(of: "\"recipe\":\"", with: "\"recipe\":\"0")
                    .write(toFile: manifest, atomically: true, encoding: .utf8)
            }
            #expect(SyntheticSet(folder: "\(folder)/synthetic", recipe: first.records[0].recipe) == nil)
            let again = try set(folder)
            #expect(again.images == first.images && again.records == first.records)
            #expect(try String(contentsOfFile: manifest, encoding: .utf8) == text)
        }
    }

    @Test func minibatchesAreAFunctionOfSeedAndStep() throws {
        try withTemporaryFolder { folder in
            let set = try set(folder)
            func batch(step: Int, seed: Int = 0) -> (images: Tensor, labels: Tensor, places: [Int]) {
                set.minibatch(step: step, size: 6, seed: seed, pipeline: .training(size: 24), imageSize: 24)
            }
            let (a, b) = (batch(step: 5), batch(step: 5))
            #expect(a.images.shape == [6, 3, 24, 24] && a.labels.dtype == .int64)
            #expect(a.images.scalars(Float.self) == b.images.scalars(Float.self))
            #expect(a.labels.scalars(Int.self) == b.labels.scalars(Int.self))
            #expect(a.labels.scalars(Int.self) == a.places.map { set.records[$0].label })
            #expect(a.images.scalars(Float.self) != batch(step: 6).images.scalars(Float.self))
            #expect(a.images.scalars(Float.self) != batch(step: 5, seed: 1).images.scalars(Float.self))
        }
    }

    @Test func aFolderThatCannotBeWrittenIsAUserError() throws {
        try withTemporaryFolder { folder in
            try Data([1]).write(to: URL(fileURLWithPath: "\(folder)/synthetic"))
            let error = #expect(throws: UserError.self) { try set(folder) }
            #expect(error?.message.contains("\(folder)/synthetic") == true)
        }
    }
}
