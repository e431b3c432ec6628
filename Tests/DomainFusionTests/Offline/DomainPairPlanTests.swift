import DomainGeneralization
import Foundation
import Foundations
import TestSupport
import Testing

@testable import DomainFusion

/// FDS: images between two domains.
struct DomainPairPlanTests {
    private let folder: TemporaryFolder
    private let dataset: ImageFolder
    private var settings = DomainPairSettings()

    init() throws {
        folder = try TemporaryFolder()
        dataset = try ImageFolder(folder.makeDataset(count: 2))
        settings.copies = 70
        settings.batchSize = 8
    }

    @Test func thePlanIsEveryClassBetweenEveryPair() throws {
        let plan = try DomainPairPlan(settings, dataset: dataset)
        #expect(plan.count == 3 * 2 * 70)
        let records = (0..<plan.count).map(plan.record)
        #expect(Set(records.map(\.path)).count == plan.count && Set(records.map(\.seed)).count == plan.count)
        #expect(records[0].path == "a/a_b/cat/0.png" && records[0].prompt == "a, cat")
        #expect(records[0].otherPrompt == "b, cat" && records[0].source == nil)
        #expect(records[419].path == "b/b_c/dog/69.png" && records[419].otherPrompt == "c, dog")
        // Drawn evenly between the authors' bounds, to their decimals.
        let weights = records.compactMap(\.weight), scales = records.compactMap(\.guidance)
        #expect(weights.count == 420 && weights.allSatisfy { (0.3...0.7).contains($0) })
        #expect(scales.count == 420 && scales.allSatisfy { (4...6).contains($0) })
        #expect(Set(weights).count > 35 && Set(weights).count <= 41 && Set(scales).count == 21)
        #expect(abs(weights.reduce(0, +) / 420 - 0.5) < 0.02 && abs(scales.reduce(0, +) / 420 - 5) < 0.1)
        let order = try plan.order(records[3]) { _ in throw CancellationError() }
        #expect(order.condition.weight == records[3].weight && order.condition.guidanceScale == records[3].guidance)
        #expect(order.condition.prompt == "a, cat" && order.condition.other == "b, cat")
    }

    @Test func wordsAndDomainsCanBeGiven() throws {
        var styled = settings
        styled.prompt = "{a style} of {a class}"
        styled.styles = ["a": "art", "c": "chalk"]
        let plan = try DomainPairPlan(styled, dataset: dataset, domains: ["a", "c"])
        #expect(plan.count == 140 && plan.record(70).prompt == "an art of a dog")
        #expect(plan.record(70).otherPrompt == "a chalk of a dog" && plan.record(70).target == "c")
        let missing = #expect(throws: UserError.self) { try DomainPairPlan(styled, dataset: dataset) }
        #expect(missing?.message.contains("the domain 'b'; give them (--style 'b'=WORDS)") == true)
    }

    @Test func whatMakesNoPairIsRefused() throws {
        func refusal(_ change: (inout DomainPairSettings) -> Void, domains: [String] = []) -> String? {
            var settings = settings
            change(&settings)
            return #expect(throws: UserError.self) {
                try DomainPairPlan(settings, dataset: dataset, domains: domains)
            }?.message
        }
        #expect(
            refusal({ _ in }, domains: ["b"])?.contains("b alone makes no pair; name at least two of a, b, c") == true)
        #expect(refusal({ _ in }, domains: ["b", "b"])?.contains("b alone makes no pair") == true)
        #expect(refusal { $0.prompt = "a {class}" }?.contains("must have {domain} or {style}") == true)
        #expect(refusal { $0.prompt = "{domain}" }?.contains("{class}") == true)
        #expect(refusal { $0.lowestWeight = 0.8 }?.contains("must not be below lowestWeight") == true)
        #expect(refusal { $0.lowestGuidance = 7 }?.contains("must not be below lowestGuidance") == true)
        #expect(refusal { $0.lowestGuidance = 1 }?.contains("must be above 1") == true)
        #expect(refusal { $0.highestWeight = .nan } != nil)
    }

    /// Interrupted and taken up, or made by two at once with stores of their own: the same bytes.
    @Test func theBytesDoNotDependOnWhoMadeThem() throws {
        var settings = settings
        settings.copies = 30
        let plan = try DomainPairPlan(settings, dataset: dataset)
        func generation(_ name: String, store: String, _ painter: Painter<TextOrder> = Painter()) throws
            -> OfflineGeneration<DomainPairPlan>
        {
            try OfflineGeneration(
                plan,
                makers: GenerationMakers(
                    ImageMaker(generator: painter, store: ContentStore(folder.path(store)), batchSize: 8)),
                folder: folder.path(name))
        }
        func content(_ name: String) throws -> [String: Data] {
            try files(in: folder.path(name)).filter { !$0.key.hasPrefix(".pieces") && $0.key != "ledger.json" }
        }
        let ledger = try generation("whole", store: "s").run()
        #expect(ledger.generatedMade == 180 && ledger.unetEvaluations == 23 * 8 * 10)
        struct Stop: Error {}
        var polls = 0, stops = 0
        while true {
            do {
                _ = try generation("parts", store: "t").run(poll: {
                    polls += 1
                    if polls % 5 == 0 { throw Stop() }
                })
                break
            } catch is Stop { stops += 1 }
        }
        #expect(stops > 3)
        let painters = [Painter<TextOrder>(), Painter<TextOrder>()]
        nonisolated(unsafe) let both = try painters.enumerated().map { try generation("two", store: "u\($0)", $1) }
        _ = try parallelMap(2, threads: 2) { _ = try both[$0].run() }
        let whole = try content("whole")
        #expect(whole.count == 180 + 2)
        #expect(try content("parts") == whole && content("two") == whole)
        let sheet = try generation("two", store: "none").sheet(rows: 5)
        #expect(sheet.rows.count == 2 && sheet.columnLabels == ["a + b", "a + c", "b + c"])
    }

    /// Images between source domains are for every run that holds out neither, whatever its split.
    @Test func runsTakePairsOfTheirSources() throws {
        var settings = settings
        settings.copies = 4
        let plan = try DomainPairPlan(settings, dataset: dataset)
        _ = try OfflineGeneration(
            plan,
            makers: GenerationMakers(
                ImageMaker(generator: Painter<TextOrder>(), store: ContentStore(folder.path("s")), batchSize: 8)),
            folder: folder.path("out")
        ).run()
        let images = try GeneratedImages(folder.path("out"))
        let taken = try images.images(of: dataset, training: [0], held: ["b"], includesHeldStyles: false)
        #expect(taken.count == 8 && taken.allSatisfy { $0.image.domain == "a" && $0.image.target == "c" })
        #expect(taken.map(\.label) == [0, 0, 0, 0, 1, 1, 1, 1])
        // Joined to the domain with the larger share.
        #expect(taken.allSatisfy { $0.environment == (($0.image.weight ?? 0) < 0.5 ? 2 : 0) })
        #expect(Set(taken.map(\.environment)) == [0, 2])
        #expect(try images.images(of: dataset, training: [0], held: ["b"], includesHeldStyles: true).count == 24)
        let none = #expect(throws: UserError.self) {
            try images.images(of: dataset, training: [0], held: ["a", "b"], includesHeldStyles: false)
        }
        #expect(none?.message.contains("no image in it is for this run") == true)
    }
}
