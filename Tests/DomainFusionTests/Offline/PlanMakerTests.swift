import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import DomainFusion

/// What the plans ask of a model, with the tiny random one that the pipelines are tested with.
struct PlanMakerTests {
    private let folder: TemporaryFolder
    private let dataset: ImageFolder
    private let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../DiffusionTests/Fixtures/sd1").standardized.path

    init() throws {
        folder = try TemporaryFolder()
        dataset = try ImageFolder(folder.makeDataset(count: 2))
    }

    /// The orders of a plan's first images, what became of them, and what their making took.
    private func made<Plan: GenerationPlan>(
        _ plan: Plan, _ model: LatentDiffusionModel, count: Int, store: String = "store"
    ) throws -> (orders: [Plan.Order], images: Tensor, keys: [StoreKey], ledger: Ledger) {
        let maker = try plan.maker(model, hash: model.fingerprint(), store: ContentStore(folder.path(store)))
        let orders = try (0..<count).map { number in
            try plan.order(plan.record(number)) {
                try ImageFile.decode("\(plan.root)/\($0)").resized(width: model.imageSize, height: model.imageSize)
            }
        }
        var ledger = Ledger()
        let images = try maker.images(orders, ledger: &ledger)
        return (orders, .images(images), maker.keys(orders), ledger)
    }

    /// The largest difference in levels of 255.
    private func levels(_ first: Tensor, _ second: Tensor) -> Double { (first - second).abs().max().item() * 255 }

    @Test func guidesAreMixedIn() throws {
        var settings = CrossDomainSettings()
        settings.prompt = "a {class}"
        (settings.steps, settings.strength, settings.batchSize) = (4, 0.5, 4)
        let model = try LatentDiffusionModel(path: path)
        let plan = try ImageGuidedPlan(settings, weight: 0.3, dataset: dataset)
        let (orders, images, keys, ledger) = try made(plan, model, count: 3)
        // One full batch: three passes of the autoencoder an image, two guided steps.
        #expect(ledger.generatedMade == 3 && ledger.vaePasses == 4 * 3 && ledger.unetEvaluations == 4 * 2 * 2)
        let expected = try model.imageToImage(
            .images(orders.map(\.image)), prompts: ["a cat", "a cat", "a cat"],
            settings: GenerationSettings(steps: 4, guidanceScale: 7.5, strength: 0.5), seeds: orders.map(\.seed),
            guide: ImageGuide(.images(orders.map(\.guide)), weight: 0.3))
        #expect(levels(images, expected) <= 0.51)
        #expect(Set(keys.map(\.hash)).count == 3)
        // Another share is another image; nothing is made twice.
        let other = try made(ImageGuidedPlan(settings, weight: 0.6, dataset: dataset), model, count: 3)
        #expect(other.ledger.generatedMade == 3 && levels(other.images, images) > 2)
        #expect(try made(plan, model, count: 3).ledger.unetEvaluations == 0)
    }

    @Test func imagesAreInvertedByTheModelOfADomain() throws {
        var settings = CrossDomainSettings()
        (settings.prompt, settings.guidanceScale) = ("", 1)
        (settings.steps, settings.strength, settings.batchSize) = (5, 0.6, 4)
        let model = try LatentDiffusionModel(path: path)
        let (orders, images, keys, ledger) = try made(
            ShiftInversionPlan(settings, dataset: dataset), model, count: 3)
        #expect(ledger.generatedMade == 3 && ledger.vaePasses == 4 * 2 && ledger.unetEvaluations == 4 * 3)
        let generator = try ShiftInversionGenerator(
            model, modelHash: "tiny", settings: GenerationSettings(steps: 5, guidanceScale: 1, strength: 0.6).withDDIM)
        let expected = try generator.generate(
            .images(orders.map(\.image)), prompts: ["", "", ""], seeds: orders.map(\.seed))
        #expect(levels(images, expected) <= 0.51)
        #expect(Set(keys.map(\.hash)).count == 3)
    }

    @Test func promptsAreMixed() throws {
        var settings = DomainPairSettings()
        (settings.steps, settings.batchSize, settings.copies) = (3, 4, 5)
        let model = try LatentDiffusionModel(path: path)
        let plan = try DomainPairPlan(settings, dataset: dataset)
        let (orders, images, keys, ledger) = try made(plan, model, count: 5)
        #expect(ledger.generatedMade == 5 && ledger.vaePasses == 8 && ledger.unetEvaluations == 8 * 3 * 2)
        let expected = try model.textToImage(
            conditions: (0..<5).map { number in
                let record = plan.record(number)
                return TextCondition(
                    "a, cat", mixedWith: "b, cat", weight: record.weight ?? .nan, guidanceScale: record.guidance)
            }, settings: GenerationSettings(steps: 3).withDDIM, seeds: orders.map(\.seed))
        #expect(levels(images, expected) <= 0.51)
        #expect(Set(keys.map(\.hash)).count == 5)
        // Images of another size are others in the store, too.
        let larger = try LatentDiffusionModel(path: path, imageSize: 2 * model.imageSize)
        let other = try made(plan, larger, count: 1)
        #expect(other.images.size(2) == 2 * model.imageSize && other.ledger.generatedMade == 1)
        // One that was distilled with guidance takes one weight for all.
        let copy = folder.path("lcm")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        try FileManager.default.removeItem(atPath: "\(copy)/unet")
        try FileManager.default.copyItem(
            atPath: URL(fileURLWithPath: path).deletingLastPathComponent().appendingPathComponent("unet-lcm").path,
            toPath: "\(copy)/unet")
        let distilled = try LatentDiffusionModel(path: copy)
        let error = #expect(throws: UserError.self) { try made(plan, distilled, count: 1) }
        #expect(error?.message.contains("takes one weight for all images") == true)
    }
}
