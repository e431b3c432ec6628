import Diffusion
import DomainFusion
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

/// With the tiny random model that the pipelines are tested with.
@Suite struct ImageToImageGeneratorTests {
    private func model() throws -> LatentDiffusionModel {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../DiffusionTests/Fixtures/sd1").standardized.path
        return try LatentDiffusionModel(path: folder)
    }

    private func settings(_ change: (inout AugmentationSettings) -> Void = { _ in }) -> AugmentationSettings {
        var settings = AugmentationSettings()
        settings.steps = 4
        settings.strength = 0.5
        settings.candidates = 3
        settings.batchSize = 4
        change(&settings)
        return settings
    }

    private func outcomes(
        _ settings: AugmentationSettings, _ numbers: [Int], store: String, ledger: inout Ledger
    ) throws -> [Augmenter.Outcome] {
        let model = try model()
        let requests = numbers.map { number in
            let image = picture(domain: 0, label: 0, number: number).resized(
                width: model.imageSize, height: model.imageSize)
            return settings.request(
                name: "\(number)", start: image, source: image, label: 0, className: "lion", round: 1)
        }
        return try settings.augmenter(model, store: ContentStore(store)).outcomes(requests, ledger: &ledger)
    }

    @Test(arguments: AugmentationSettings.Composition.allCases)
    func augmentsWithAModel(_ composition: AugmentationSettings.Composition) throws {
        try withTemporaryFolder { folder in
            let settings = settings {
                $0.composition = composition
                $0.contentPool = .candidates
            }
            var ledger = Ledger()
            let first = try outcomes(settings, [0, 1], store: folder, ledger: &ledger)
            #expect(ledger.generatedMade == 6 && ledger.composedMade == 2)
            // Two steps of four with guidance, two batches of four; latent composition takes four images apart each.
            // Injection fills one batch of four more, each of which takes four evaluations a step.
            #expect(ledger.unetEvaluations == 8 * 2 * 2 + (composition == .injection ? 4 * 2 * 4 : 0))
            let more = [.latent: 2 * (4 + 1), .injection: 4 * 3][composition] ?? 0
            #expect(ledger.vaePasses == 8 * 2 + more)
            #expect(Set(first[0].candidates.map { SHA256Sum.of($0) }).count == 3)

            var warm = Ledger()
            let again = try outcomes(settings, [0, 1], store: folder, ledger: &warm)
            #expect(warm.unetEvaluations == 0 && warm.vaePasses == 0)
            #expect(zip(first, again).allSatisfy { $0.image == $1.image })
        }
    }

    @Test func theSamplerIsChosen() throws {
        let model = try model()
        let settings = settings { $0.scheduler = .dpmSolver }
        let image = picture(domain: 0, label: 0, number: 0).resized(width: model.imageSize, height: model.imageSize)
        let generator = try settings.augmenter(model, store: ContentStore("none")).generator
        let found = try generator.generate([CandidateOrder(image: image, prompt: "a lion", seed: 3)])
        let expected = try model.imageToImage(
            image.tensor(), prompts: ["a lion"],
            settings: GenerationSettings(
                steps: 4, guidanceScale: settings.guidanceScale, strength: 0.5,
                scheduler: "DPMSolverMultistepScheduler"), seeds: [3])
        #expect(found.scalars(Float.self) == expected.scalars(Float.self))
    }

    @Test func aCandidateDoesNotDependOnItsBatch() throws {
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            let together = try outcomes(settings(), [0, 1, 2], store: "\(folder)/a", ledger: &ledger)
            let alone = try outcomes(settings(), [2], store: "\(folder)/b", ledger: &ledger)
            #expect(together[2].candidates == alone[0].candidates && together[2].image == alone[0].image)
        }
    }

    @Test func anInjectedImageDoesNotDependOnItsBatch() throws {
        try withTemporaryFolder { folder in
            let settings = self.settings { $0.composition = .injection }
            var ledger = Ledger()
            let together = try outcomes(settings, [0, 1, 2], store: "\(folder)/a", ledger: &ledger)
            let alone = try outcomes(settings, [2], store: "\(folder)/b", ledger: &ledger)
            #expect(together[2].image == alone[0].image && together[2].composition?.content == nil)
            #expect(together.allSatisfy { $0.image != $0.request.source && !$0.candidates.contains($0.image) })
            // Another share of the content's queries is another image of the same candidates.
            var other = settings
            other.injection.queryShare = 0
            let changed = try outcomes(other, [2], store: "\(folder)/a", ledger: &ledger)
            #expect(changed[0].candidates == alone[0].candidates && changed[0].image != alone[0].image)
        }
    }

    @Test func settingsAreInTheFingerprint() throws {
        let model = try model()
        func fingerprint(_ change: (inout AugmentationSettings) -> Void) throws -> String {
            try settings(change).augmenter(model, store: ContentStore("none")).generator.fingerprint
        }
        let all = [
            try fingerprint { _ in }, try fingerprint { $0.strength = 0.75 }, try fingerprint { $0.steps = 8 },
            try fingerprint { $0.guidanceScale = 1 }, try fingerprint { $0.scheduler = .dpmSolver },
        ]
        #expect(Set(all).count == 5)
        #expect(try fingerprint { $0.candidates = 9 } == all[0])
    }
}
