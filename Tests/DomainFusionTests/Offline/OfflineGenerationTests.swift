import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing

@testable import DomainFusion

struct OfflineGenerationTests {
    private let folder: TemporaryFolder
    private let dataset: ImageFolder
    private var settings = CrossDomainSettings()

    init() throws {
        folder = try TemporaryFolder()
        dataset = try ImageFolder(folder.makeDataset(count: 4))
        settings.styles = ["a": "art", "b": "blueprint", "c": "chalk"]
        settings.prompt = "{a style} of {a class}"
        settings.copies = 2
        settings.batchSize = 3
    }

    private func generation(
        _ name: String, store: String, _ generator: Restyler = Restyler(), settings: CrossDomainSettings? = nil
    ) throws -> OfflineGeneration<CrossDomainPlan> {
        let settings = settings ?? self.settings
        return try OfflineGeneration(
            CrossDomainPlan(settings, dataset: dataset),
            makers: GenerationMakers(
                CandidateMaker(
                    generator: generator, store: ContentStore(folder.path(store)), batchSize: settings.batchSize)),
            folder: folder.path(name))
    }

    /// All that a run reads: the images and the manifest.
    private func content(_ name: String) throws -> [String: Data] {
        try files(in: folder.path(name)).filter { !$0.key.hasPrefix(".pieces") && $0.key != "ledger.json" }
    }

    private struct Stop: Error {}

    @Test func thePlanIsEveryImageInEveryStyle() throws {
        let plan = try CrossDomainPlan(settings, dataset: dataset)
        #expect(plan.count == 24 * 3 * 2)
        let entries = (0..<plan.count).map(plan.record)
        #expect(Set(entries.map(\.path)).count == plan.count && Set(entries.map(\.seed)).count == plan.count)
        #expect(entries[0].path == "a/a_a/cat/0-0.png" && entries[0].prompt == "an art of a cat")
        #expect(entries[5].path == "a/a_c/cat/0-1.png" && entries[5].prompt == "a chalk of a cat")
        #expect(plan.count == Ledger.cdgaImages(sourceImages: 24, sourceDomains: 3, copies: 2))
        var fewer = settings
        fewer.styles["b"] = nil
        let error = #expect(throws: UserError.self) { try CrossDomainPlan(fewer, dataset: dataset) }
        #expect(error?.message.contains("the domain 'b'; give them (--style 'b'=WORDS)") == true)
    }

    /// Interrupted and taken up, or made by two at once with stores of their own: the same bytes.
    @Test func theBytesDoNotDependOnWhoMadeThem() throws {
        let ledger = try generation("whole", store: "s").run()
        #expect(ledger.generatedMade == 144 && ledger.generatedUsed == 144)
        let whole = try content("whole")
        #expect(whole.count == 144 + 2)

        var polls = 0
        func interrupted() throws {
            polls += 1
            if polls % 7 == 0 { throw Stop() }
        }
        var stops = 0
        while true {
            do {
                _ = try generation("parts", store: "t").run(poll: interrupted)
                break
            } catch is Stop { stops += 1 }
        }
        #expect(stops > 3)
        #expect(try content("parts") == whole)

        let makers = [Restyler(), Restyler()]
        let generations = try makers.enumerated().map { try generation("two", store: "u\($0)", $1) }
        nonisolated(unsafe) let both = generations
        _ = try parallelMap(2, threads: 2) { _ = try both[$0].run() }
        #expect(try content("two") == whole)
        // No piece was made by both: batches of 3 are full.
        #expect(makers.map { $0.batches.reduce(0, +) }.reduce(0, +) == 144)
        // Another call finds all there.
        let again = Restyler()
        _ = try generation("two", store: "none", again).run()
        #expect(again.batches.isEmpty)
    }

    /// A piece whose file is damaged is made again, from the store.
    @Test func whatIsDamagedIsMadeAgain() throws {
        _ = try generation("out", store: "s").run()
        let before = try content("out")
        try Data("half".utf8).write(to: URL(fileURLWithPath: folder.path("out/.pieces/0000001.json")))
        Files.remove(folder.path("out/\(GeneratedImages.manifest)"))
        let generator = Restyler()
        _ = try generation("out", store: "s", generator).run()
        #expect(generator.batches.isEmpty)
        #expect(try content("out") == before)
    }

    /// The store's files and the folder's are one, and damage to neither is the other's when the store makes its own anew.
    @Test func imagesTakeNoRoomTwice() throws {
        _ = try generation("out", store: "s").run()
        let record = try #require(try GeneratedImages(folder.path("out")).images.first)
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("out/\(record.path)"))
        #expect((attributes[.referenceCount] as? Int) == 2)
        #expect(SHA256Sum.of(try ImageFile.decode(folder.path("out/\(record.path)"))) == record.sha256)
        Files.remove(folder.path("s"))
        #expect(SHA256Sum.of(try ImageFile.decode(folder.path("out/\(record.path)"))) == record.sha256)
    }

    /// A larger share has what a smaller one has; the rest of the plan is left out.
    @Test func sharesAreNested() throws {
        let plan = try CrossDomainPlan(settings, dataset: dataset)
        func paths(_ share: Double, seed: Int = 0) throws -> [String] {
            let part = try PlanShare(plan, share: share, seed: seed)
            return (0..<part.count).map { part.record($0).path }
        }
        let (some, more) = (try paths(0.25), try paths(0.5))
        #expect(some.count == 36 && more.count == 72 && Set(some).isSubset(of: more))
        #expect(try paths(1) == (0..<plan.count).map { plan.record($0).path })
        #expect(try Set(paths(0.25, seed: 1)) != Set(some) && paths(0.001).count == 1)
        #expect(throws: UserError.self) { try paths(0) }
        let part = try PlanShare(plan, share: 0.25, seed: 0)
        let maker = CandidateMaker(generator: Restyler(), store: ContentStore(folder.path("s")), batchSize: 3)
        let generation = try OfflineGeneration(
            part, makers: GenerationMakers(maker), folder: folder.path("some"))
        #expect(try generation.run().generatedMade == 36)
        let shown = try generation.sheet(rows: 24).rows.flatMap { $0.dropFirst() }.count { $0.image != nil }
        let first = some.count { $0.hasSuffix("-0.png") }
        #expect(shown == first && first < 36)
        let images = try GeneratedImages(folder.path("some")).images
        #expect(images.map(\.path) == some)
    }

    /// Every image by the model of the domain that it is moved towards, one model after the other; the same images as in the order of
    /// the sources.
    @Test func eachDomainHasItsModel() throws {
        var settings = settings
        settings.prompt = ""
        let plan = try ShiftInversionPlan(settings, dataset: dataset)
        let base = try CrossDomainPlan(settings, dataset: dataset)
        let records = (0..<plan.count).map(plan.record)
        #expect(Set(records.map(\.path)) == Set((0..<base.count).map { base.record($0).path }))
        #expect(records.map(\.target) == ["a", "b", "c"].flatMap { [String](repeating: $0, count: 48) })
        #expect(records.allSatisfy { $0.prompt.isEmpty })

        var asked: [String] = []
        let restylers = Dictionary(uniqueKeysWithValues: ["a", "b", "c"].map { ($0, Restyler("of \($0)")) })
        let taught = FineTuningRecord(model: "sd", data: "set", domains: ["c"], images: 8, steps: 50, seconds: 5)
        func generation(_ name: String) throws -> OfflineGeneration<ShiftInversionPlan> {
            try OfflineGeneration(
                plan,
                makers: GenerationMakers(
                    domains: plan.domains, prior: PriorWork(models: [.init(taught, domain: "c")])
                ) { domain in
                    asked.append(domain)
                    return CandidateMaker(
                        generator: try #require(restylers[domain]), store: ContentStore(folder.path("s")), batchSize: 3)
                }, folder: folder.path(name))
        }
        let ledger = try generation("out").run()
        #expect(ledger.generatedMade == 144 && ledger.before?.fineTuningSteps == 50)
        #expect(restylers.values.allSatisfy { $0.batches.reduce(0, +) == 48 })
        // Each once before the work, then in pieces of 63 images: two have images of two domains.
        #expect(asked == ["a", "b", "c", "a", "b", "b", "c", "c"], "\(asked)")
        let made = try GeneratedImages(folder.path("out"))
        #expect(
            made.work.bytes
                == made.images.reduce(0) { $0 + (Files.contents(folder.path("out/\($1.path)"))?.count ?? 0) })
        let sheet = try generation("out").sheet(rows: 2)
        #expect(sheet.rows.allSatisfy { $0.count == 4 && $0.allSatisfy { $0.image != nil } })
        // The held-out domain's model has seen it, but nothing of its making is taken.
        let training = dataset.items.indices.filter { dataset.items[$0].environment != 2 }
        let taken = try made.images(of: dataset, training: training, held: ["c"], includesHeldStyles: false)
        #expect(taken.count == training.count * 2 * 2 && made.work(for: taken).fineTuningSteps == 0)
        let others = dataset.items.indices.filter { dataset.items[$0].environment != 0 }
        let other = try made.images(of: dataset, training: others, held: ["a"], includesHeldStyles: false)
        #expect(made.work(for: other).fineTuningSteps == 50 && made.work(for: other).images == other.count)
    }

    @Test func anotherPlanIsRefused() throws {
        _ = try generation("out", store: "s")
        var other = settings
        other.strength = 0.5
        let error = #expect(throws: UserError.self) { try generation("out", store: "s", settings: other) }
        #expect(
            error?.message.contains("was generated with another plan.settings.strength (0.75 there, 0.5 here)") == true)
        #expect(throws: UserError.self) { try generation("out", store: "s", Restyler("another")) }
        // It was not run to its end.
        let unfinished = #expect(throws: UserError.self) { try GeneratedImages(folder.path("out")) }
        #expect(unfinished?.message.contains("not all images are generated yet") == true)
    }

    /// A run takes what was made of its own training images, without the held-out domain's images and style.
    @Test func runsTakeTheirOwnImages() throws {
        _ = try generation("out", store: "s").run()
        let images = try GeneratedImages(folder.path("out"))
        let training = dataset.items.indices.filter { dataset.items[$0].environment != 2 && $0 % 4 != 0 }
        let taken = try images.images(of: dataset, training: training, held: ["c"], includesHeldStyles: false)
        #expect(taken.count == training.count * 2 * 2)
        let sources = training.map { dataset.relativePath(of: dataset.items[$0]) }
        #expect(taken.allSatisfy { $0.image.target != "c" && $0.image.domain != "c" })
        #expect(taken.allSatisfy { sources.contains($0.image.source ?? "") })
        #expect(taken.allSatisfy { dataset.environments[$0.environment] == $0.image.domain })
        #expect(taken.allSatisfy { dataset.classes[$0.label] == $0.image.className })
        let star = try images.images(of: dataset, training: training, held: ["c"], includesHeldStyles: true)
        #expect(star.count == training.count * 3 * 2)
        #expect(throws: UserError.self) {
            try images.images(of: dataset, training: [], held: [], includesHeldStyles: false)
        }
    }

    @Test func theSheetShowsSourceAndStyles() throws {
        let generation = try generation("out", store: "s")
        _ = try generation.run()
        let sheet = try generation.sheet(rows: 4)
        #expect(sheet.columnLabels == ["source", "a", "b", "c"] && sheet.rows.count == 4)
        #expect(sheet.rowLabels == ["a", "a", "b", "c"] || Set(sheet.rowLabels) == ["a", "b", "c"])
        #expect(sheet.rows.allSatisfy { $0.count == 4 && $0.allSatisfy { $0.image != nil } })
    }
}
