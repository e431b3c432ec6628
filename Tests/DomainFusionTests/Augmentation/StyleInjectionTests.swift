import Diffusion
import DomainFusion
import Foundation
import Testing
import Torch

/// Injection from noise to image by the tiny model that the pipelines are tested with, against diffusers with attention
/// processors of scripts/fixtures/injection.py.
@Suite struct StyleInjectionTests {
    private func model() throws -> LatentDiffusionModel {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../DiffusionTests/Fixtures/sd1").standardized.path
        return try LatentDiffusionModel(path: folder)
    }

    private func injection(_ guidance: Double) throws -> StyleInjection {
        try StyleInjection(
            model(), modelHash: "tiny",
            settings: GenerationSettings(steps: 5, guidanceScale: guidance, strength: 0.6),
            attention: AttentionInjection())
    }

    @Test(arguments: [("guided", 3.0, 3 * 4), ("plain", 1, 3 * 3)])
    func imagesEqualDiffusers(_ name: String, guidance: Double, evaluations: Int) throws {
        let reference = try StateDict(safetensors: fixture("injection.safetensors"))
        func tensor(_ name: String) throws -> Tensor { try #require(reference[name]) }
        let injection = try injection(guidance)
        #expect(injection.unetEvaluationsPerImage == evaluations && injection.vaePassesPerImage == 3)
        let made = try injection.images(
            contents: tensor("contents"), styles: tensor("styles"),
            prompts: ["a photo of a dog", "the art of a cartoon"], seeds: [7, 8])
        let wanted = try tensor(name)
        #expect(made.shape == wanted.shape)
        #expect((made - wanted).abs().max().item() < 1e-5)
        #expect((made - (try tensor("contents"))).abs().max().item() > 0.1)
        // Each result is its own content's in its own style.
        let second = try injection.images(
            contents: tensor("contents")[1..<2], styles: tensor("styles")[1..<2], prompts: ["the art of a cartoon"],
            seeds: [8])
        #expect((second - wanted[1..<2]).abs().max().item() < 1e-5)
    }

    @Test func theFingerprintHasEverySetting() throws {
        let model = try model()
        func fingerprint(_ settings: GenerationSettings, _ attention: AttentionInjection = .init()) throws -> String {
            try StyleInjection(model, modelHash: "tiny", settings: settings, attention: attention).fingerprint
        }
        let settings = GenerationSettings(steps: 5)
        let all = [
            try fingerprint(settings), try fingerprint(GenerationSettings(steps: 6)),
            try fingerprint(settings, AttentionInjection(blocks: 1)),
            try fingerprint(settings, AttentionInjection(queryShare: 0.5)),
            try fingerprint(settings, AttentionInjection(temperature: 1)),
        ]
        #expect(Set(all).count == 5)
    }
}
