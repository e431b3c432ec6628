import Diffusion
import Foundation
import Foundations
import Pixels
import Testing
import Torch

@testable import DomainFusion

/// Translation of test images by the tiny models of the diffusion tests, against diffusers (scripts/fixtures/shift_inversion.py).
@Suite struct ShiftInversionTests {
    private func path(_ name: String = "sd1") -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../DiffusionTests/Fixtures/\(name)").standardized.path
    }

    private func settings(_ change: (inout TranslationSettings) -> Void = { _ in }) -> TranslationSettings {
        var settings = TranslationSettings()
        settings.steps = 5
        settings.batchSize = 4
        change(&settings)
        return settings
    }

    private func pictures(_ count: Int) -> [RGBImage] {
        (0..<count).map { picture(domain: $0 % 2, label: $0 % 3, number: $0) }
    }

    private func translator(
        _ store: String, domains: [String] = ["a", "b"], styles: [String: String] = [:],
        _ change: (inout TranslationSettings) -> Void = { _ in }
    ) throws -> LatentTranslator {
        let models = try SourceModels(domains: domains, own: [:], shared: path()) { try LatentDiffusionModel(path: $0) }
        return try LatentTranslator(settings(change), models: models, styles: styles, store: ContentStore(store))
    }

    @Test(arguments: ["sd1", "sd2"])
    func translationsEqualDiffusers(_ name: String) throws {
        let reference = try StateDict(safetensors: fixture("shift_inversion.safetensors"))
        func tensor(_ part: String) throws -> Tensor { try #require(reference["\(name).\(part)"]) }
        let model = try LatentDiffusionModel(path: path(name))
        func made(_ settings: TranslationSettings, noise: Double, _ prompts: [String], evaluations: Int) throws
            -> Tensor
        {
            let generator = try ShiftInversionGenerator(
                model, modelHash: "tiny", settings: settings.generation(noise: noise))
            #expect(generator.unetEvaluationsPerImage == evaluations && generator.vaePassesPerImage == 2)
            return try generator.generate(tensor("images"), prompts: prompts, seeds: [7, 8])
        }
        let inverted = try made(settings(), noise: 0.6, ["", ""], evaluations: 3)
        #expect((inverted - (try tensor("inverted"))).abs().max().item() < 1e-5)
        let edited = try made(
            settings { $0.guidanceScale = 3 }, noise: 0.8, ["a photo of a dog", "the art of a cartoon"], evaluations: 8)
        #expect((edited - (try tensor("edited"))).abs().max().item() < 1e-5)
        #expect((inverted - (try tensor("images"))).abs().max().item() > 0.05)
    }

    /// An image becomes the same whatever comes with it, in whichever order; what is in the store is not made again.
    @Test func aTranslationDependsOnItsImageAlone() throws {
        try withTemporaryFolder { folder in
            let images = pictures(6)
            var ledger = Ledger()
            let translator = try translator("\(folder)/one")
            let all = try translator.translations(
                of: images, towards: "a", noise: 0.6, ledger: &ledger, poll: {})
            #expect(ledger.generatedMade == 6 && ledger.unetEvaluations == 8 * 3 && ledger.vaePasses == 16)
            #expect(ledger.seconds["translation"] ?? 0 > 0)
            let other = try self.translator("\(folder)/two")
            let backwards = try other.translations(
                of: images.reversed(), towards: "a", noise: 0.6, ledger: &ledger, poll: {})
            #expect(Array(backwards.reversed()) == all)
            let alone = try self.translator("\(folder)/three").translations(
                of: [images[4]], towards: "a", noise: 0.6, ledger: &ledger, poll: {})
            #expect(alone == [all[4]])
            var warm = Ledger()
            let again = try translator.translations(of: images, towards: "a", noise: 0.6, ledger: &warm, poll: {})
            #expect(again == all && warm.unetEvaluations == 0 && warm.generatedMade == 0)
            // Its own noise for each domain, level and seed.
            var different = [all[0]]
            different += try translator.translations(
                of: [images[0]], towards: "b", noise: 0.6, ledger: &warm, poll: {})
            different += try translator.translations(
                of: [images[0]], towards: "a", noise: 0.8, ledger: &warm, poll: {})
            different += try self.translator("\(folder)/one") { $0.seed = 1 }.translations(
                of: [images[0]], towards: "a", noise: 0.6, ledger: &warm, poll: {})
            #expect(Set(different.map { SHA256Sum.of($0) }).count == 4)
        }
    }

    @Test func promptsNameTheSourceDomain() throws {
        let styled = try translator("none", styles: ["a": "oil painting", "b": "ink"]) { $0.prompt = "{a style}" }
        #expect(styled.promptsByDomain == ["a": "an oil painting", "b": "an ink"])
        let named = try translator("none", domains: ["art_painting"]) { $0.prompt = "in the style of {domain}" }
        #expect(named.promptsByDomain == ["art_painting": "in the style of art painting"])
        #expect(try translator("none").promptsByDomain == ["a": "", "b": ""])
        #expect(throws: UserError.self) { try translator("none", styles: ["a": "ink"]) { $0.prompt = "{style}" } }
        #expect(TranslationSettings.edit.guidanceScale == 7.5 && TranslationSettings().guidanceScale == 1)
    }

    @Test func aModelIsReadWhenItsTurnComes() throws {
        var read: [String] = []
        let models = try SourceModels(domains: ["a", "b", "c"], own: ["b": path("sd2")], shared: path()) {
            read.append(FilePath.name(of: $0))
            return try LatentDiffusionModel(path: $0)
        }
        let hashes = try ["a", "c", "b", "b", "a"].map { try models.model(of: $0).hash }
        #expect(read == ["sd1", "sd2", "sd1"])
        #expect(hashes[0] == hashes[1] && hashes[0] != hashes[2] && hashes[0] == hashes[4])
        func refusal(_ own: [String: String], shared: String? = nil) -> String? {
            #expect(throws: UserError.self) {
                try SourceModels(domains: ["a", "b"], own: own, shared: shared) { try LatentDiffusionModel(path: $0) }
            }?.message
        }
        #expect(refusal(["a": path()])?.contains("no diffusion model of the source domain 'b'") == true)
        #expect(refusal(["c": path()], shared: path())?.contains("'c' is none of the source domains") == true)
    }

    @Test func impossibleSettingsAreRefused() throws {
        let changes: [((inout TranslationSettings) -> Void, String)] = [
            ({ $0.thresholds = [1] }, "thresholds"), ({ $0.thresholds = [] }, "thresholds"),
            ({ $0.thresholds = [0.9, -0.1] }, "thresholds"), ({ $0.thresholds = [.nan] }, "thresholds"),
            ({ $0.noise = [] }, "noise"), ({ $0.noise = [0.4, 0.2] }, "noise"), ({ $0.noise = [1.5] }, "noise"),
            ({ $0.noise = [.nan] }, "noise"), ({ $0.noise = [0.1] }, "steps"),
            ({ $0.guidanceScale = 0.5 }, "guidanceScale"), ({ $0.guidanceScale = .infinity }, "guidanceScale"),
            ({ $0.prompt = "a {class}" }, "prompt"), ({ $0.batchSize = 0 }, "batchSize"),
        ]
        for (change, name) in changes {
            let error = #expect(throws: UserError.self) { try translator("none", change) }
            #expect(error?.message.hasPrefix("translation.\(name): ") == true, "\(error?.message ?? "")")
        }
    }
}
