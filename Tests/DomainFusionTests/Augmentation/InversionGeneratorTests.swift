import Diffusion
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import DomainFusion

/// With the tiny random model that the pipelines are tested with.
@Suite struct InversionGeneratorTests {
    private static let prompts = ["a photo of {a class}", "the art of {a class}", "a cartoon of {a class}"]

    private func model() throws -> LatentDiffusionModel {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../DiffusionTests/Fixtures/sd1").standardized.path
        return try LatentDiffusionModel(path: folder)
    }

    private func settings(_ change: (inout AugmentationSettings) -> Void = { _ in }) -> AugmentationSettings {
        var settings = AugmentationSettings()
        settings.generator = .inversion
        settings.steps = 4
        settings.strength = 0.5
        settings.candidates = 2
        settings.prompts = Self.prompts
        settings.batchSize = 4
        settings.budget = 3
        settings.start = .raw
        change(&settings)
        return settings
    }

    private func augmentation(
        _ settings: AugmentationSettings, _ model: LatentDiffusionModel, store: String
    ) throws -> OnlineAugmentation {
        let augmenter = try settings.augmenter(model, store: ContentStore(store))
        return try OnlineAugmentation(
            settings, sources: someSources(), generator: augmenter.generator, composer: augmenter.composer,
            store: ContentStore(store))
    }

    /// A candidate is the image inverted under the empty prompt, then denoised under its own; the seed does not count.
    @Test func candidatesAreEdits() throws {
        let model = try model()
        let settings = GenerationSettings(steps: 4, guidanceScale: 3, strength: 0.5)
        let generator = try InversionGenerator(model, modelHash: "tiny", settings: settings)
        let images = Tensor.rand([2, 3, 16, 16], generator: Generator(seed: 1))
        let prompts = ["a dog", "art"]
        let found = try generator.generate(images, prompts: prompts, seeds: [1, 2])
        let noise = try model.invert(images, prompts: ["", ""], steps: 4, firstSteps: 2)
        let expected = try model.images(
            of: model.denoised(noise, prompts: prompts, settings: settings.withDDIM, lastSteps: 2))
        #expect((found - expected).abs().max().item() < 1e-6)
        #expect(
            try generator.generate(images, prompts: prompts, seeds: [3, 4]).scalars(Float.self)
                == found.scalars(Float.self))
        let other = try generator.generate(images, prompts: prompts.reversed(), seeds: [1, 2])
        #expect((other - found).abs().max().item() > 1e-3)
        #expect(generator.unetEvaluationsPerImage == 2 + 2 * 2 && generator.vaePassesPerImage == 2)
    }

    /// Nothing of image to image changes by there being another generator: its candidates' keys are what they were. A set by the
    /// other one is another set.
    @Test func eachGeneratorHasItsOwnKeys() throws {
        let model = try model()
        func fingerprint(_ change: (inout AugmentationSettings) -> Void) throws -> String {
            try settings(change).augmenter(model, store: ContentStore("none")).generator.fingerprint
        }
        let plain = try fingerprint { $0.generator = .imageToImage }
        #expect(
            plain.hasSuffix(
                " {\"eta\":0,\"guidanceRescale\":0,\"guidanceScale\":7.5,\"negativePrompt\":\"\",\"steps\":4,\"strength\":0.5}"
            ),
            "\(plain)")
        let all = [
            plain, try fingerprint { _ in }, try fingerprint { $0.strength = 0.75 }, try fingerprint { $0.steps = 8 },
            try fingerprint { $0.guidanceScale = 1 },
        ]
        #expect(Set(all).count == 5)
        let recipes = try [AugmentationSettings.Generator.imageToImage, .inversion].map { generator in
            try someAugmentation(settings { $0.generator = generator }, store: "none").recipe
        }
        #expect(recipes[0] != recipes[1])
    }

    @Test func roundsResumeToTheSameSets() throws {
        try withTemporaryFolder { folder in
            let model = try model()
            let settings = settings()
            var ledger = Ledger()
            let whole = try augmentation(settings, model, store: "\(folder)/s")
            let sets = try (1...2).map { try whole.set(round: $0, folder: "\(folder)/a", ledger: &ledger) }
            // Two batches of four for three images of two candidates each.
            #expect(ledger.generatedMade <= 2 * 6 && ledger.unetEvaluations % (4 * (2 + 2 * 2)) == 0)
            #expect(Set(sets[0].records.flatMap(\.prompts)).count > 2)
            // Round 2 alone, with another store.
            var other = Ledger()
            let direct = try augmentation(settings, model, store: "\(folder)/t").set(
                round: 2, folder: "\(folder)/b", ledger: &other)
            #expect(direct.images == sets[1].images && direct.records == sets[1].records)
            #expect(try files(in: "\(folder)/a") == files(in: "\(folder)/b"))
            #expect(other.generatedMade == 6)

            // Another seed of the same images, all in the store.
            var warm = Ledger()
            var all = settings
            (all.budget, all.prompts, all.candidates) = (0, [Self.prompts[0]], 1)
            _ = try augmentation(all, model, store: "\(folder)/s").set(round: 1, folder: "\(folder)/c", ledger: &warm)
            all.seed = 5
            let made = warm.generatedMade
            _ = try augmentation(all, model, store: "\(folder)/s").set(round: 1, folder: "\(folder)/d", ledger: &warm)
            #expect(made > 0 && warm.generatedMade == made)
        }
    }

    /// The prompts count after those that name a style became one for each source domain.
    @Test func noMoreCandidatesThanPrompts() throws {
        let settings = settings {
            $0.prompts = ["{a style} emoji of {a class}"]
            $0.candidates = 3
        }
        try settings.validate(path: "augmentation")
        func taken(_ domains: [String]) throws {
            var settings = settings
            let styles = DomainStyles(["ink": "ink", "open": "flat", "noto": "shaded"], domains: domains)
            settings.prompts = try styles.prompts(settings.prompts)
            try settings.validate(path: "augmentation")
        }
        try taken(["ink", "open", "noto"])
        #expect(throws: UserError.self) { try taken(["ink", "open"]) }
        #expect(throws: UserError.self) {
            try self.settings { ($0.prompts, $0.candidates) = (["{a class}", "{a class}"], 2) }
                .validate(path: "augmentation")
        }
    }
}
