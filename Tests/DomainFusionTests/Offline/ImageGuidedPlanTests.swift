import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing

@testable import DomainFusion

/// CDGA guided by images.
struct ImageGuidedPlanTests {
    private let folder: TemporaryFolder
    private let dataset: ImageFolder
    private var settings = CrossDomainSettings()

    init() throws {
        folder = try TemporaryFolder()
        dataset = try ImageFolder(folder.makeDataset(count: 3))
        settings.prompt = "a {class}"
        settings.copies = 2
        settings.batchSize = 5
    }

    @Test func everyImageIsLedByOneOfItsClassInTheOtherDomain() throws {
        let plan = try ImageGuidedPlan(settings, dataset: dataset)
        #expect(plan.count == 18 * 3 * 2)
        let records = (0..<plan.count).map(plan.record)
        #expect(Set(records.map(\.path)).count == plan.count && Set(records.map(\.seed)).count == plan.count)
        for record in records {
            let guide = try #require(record.guide)
            #expect(guide.hasPrefix("\(record.target)/\(record.className)/"))
            #expect(guide != record.source && record.weight == 0.5 && record.prompt == "a \(record.className)")
        }
        // The guides of one class and domain are drawn, and again for every copy.
        #expect(Set(records.filter { $0.target == "b" && $0.className == "cat" }.map(\.guide)).count == 3)
        #expect(records.filter { $0.copy == 0 }.map(\.guide) != records.filter { $0.copy == 1 }.map(\.guide))
        // With the noise of images that are asked for by words, so that both can be compared.
        let words = try CrossDomainPlan(settings, dataset: dataset)
        #expect(records.map(\.seed) == (0..<words.count).map { words.record($0).seed })
    }

    /// A class that a domain has not, or has but this image of.
    @Test func imagesWithoutAGuideAreNotMade() throws {
        for name in ["0", "1", "2"] { Files.remove(folder.path("set/b/dog/\(name).png")) }
        Files.remove(folder.path("set/b/dog"))
        for name in ["1", "2"] { Files.remove(folder.path("set/c/cat/\(name).png")) }
        let plan = try ImageGuidedPlan(settings, dataset: ImageFolder(folder.path("set")))
        // Cats: a 3, b 3, c 1, for three domains, but c's for itself; dogs: a 3, c 3, for two.
        #expect(plan.count == ((7 * 3 - 1) + 6 * 2) * 2)
        let records = (0..<plan.count).map(plan.record)
        #expect(records.allSatisfy { $0.guide != $0.source && $0.guide != nil })
        let layout = plan.layout(rows: 13)
        #expect(layout.rows.allSatisfy { $0.numbers.count == 3 })
        #expect(layout.rows.reduce(0) { $0 + $1.numbers.count { $0 == nil } } == 1 + 6)
        for row in layout.rows {
            for (target, number) in zip(["a", "b", "c"], row.numbers) {
                let record = number.map(plan.record)
                #expect(record == nil || record?.source == row.source && record?.target == target && record?.copy == 0)
            }
        }
    }

    @Test func domainsCanBeLeftOut() throws {
        let plan = try ImageGuidedPlan(settings, dataset: dataset, domains: ["c", "a"])
        let records = (0..<plan.count).map(plan.record)
        #expect(plan.count == 12 * 2 * 2)
        #expect(Set(records.flatMap { [$0.domain, $0.target, String($0.guide?.prefix(1) ?? "")] }) == ["a", "c"])
        let unknown = #expect(throws: UserError.self) {
            try ImageGuidedPlan(settings, dataset: dataset, domains: ["d"])
        }
        #expect(unknown?.message.contains("no domain 'd'") == true)
        let weight = #expect(throws: UserError.self) {
            try ImageGuidedPlan(settings, weight: .nan, dataset: dataset)
        }
        #expect(weight?.message.contains("is not in 0…1") == true)
    }

    /// A run takes no image that one of the held-out domain, or one that it validates on, had a part in.
    @Test func guidesAreTrainingImages() throws {
        let plan = try ImageGuidedPlan(settings, dataset: dataset)
        let made = try OfflineGeneration(
            plan,
            makers: GenerationMakers(
                ImageMaker(
                    generator: Painter<GuidedOrder>(), store: ContentStore(folder.path("s")), batchSize: 5)),
            folder: folder.path("out"))
        let ledger = try made.run()
        #expect(ledger.generatedMade == plan.count && ledger.vaePasses == (plan.count + 4) / 5 * 5)
        let images = try GeneratedImages(folder.path("out"))
        let training = dataset.items.indices.filter { dataset.items[$0].environment != 2 && $0 % 3 != 0 }
        let names = Set(training.map { dataset.relativePath(of: dataset.items[$0]) })
        let taken = try images.images(of: dataset, training: training, held: ["c"], includesHeldStyles: false)
        let expected = images.images.filter {
            names.contains($0.source ?? "") && names.contains($0.guide ?? "") && $0.target != "c"
        }
        #expect(taken.map(\.image) == expected && !taken.isEmpty && expected.count < images.images.count)
        // Words may tell of the held-out domain, pictures of it may not be mixed in.
        let star = #expect(throws: UserError.self) {
            try images.images(of: dataset, training: training, held: ["c"], includesHeldStyles: true)
        }
        #expect(star?.message.contains("images of c are mixed into its images") == true)
    }
}
