import Foundation
import Foundations
import Testing
import Torch

@testable import Diffusion

/// Walks of one to eight steps against diffusers (scripts/fixtures/few_steps.py): DPM-Solver++, models as SD-Turbo and
/// latent consistency models.
struct FewStepTests {
    struct Walk: Decodable, Sendable, CustomTestStringConvertible {
        let model: String
        let unet: String?
        /// Whether it is by diffusers' pipelines of latent consistency models.
        let consistency: Bool
        /// Whether adapters of the layers that LCM-LoRA has are merged in.
        let lora: Bool
        let steps: Int
        let guidance, strength: Double
        let scheduler: [String: JSONValue]

        var testDescription: String {
            "\(model) \(unet ?? "") \(steps) × \(strength), \(JSONValue.object(scheduler).text)"
        }
    }

    static let walks: [Walk] =
        (try? fixture("few-steps/walks.json")).flatMap { FileManager.default.contents(atPath: $0) }.flatMap {
            try? JSONDecoder().decode([Walk].self, from: $0)
        } ?? []

    private func model(_ walk: Walk) throws -> (model: LatentDiffusionModel, copy: ModelCopy) {
        let copy = try ModelCopy(walk.model)
        try JSONFile.write(walk.scheduler, to: copy.path("scheduler/scheduler_config.json"))
        try copy.edit("model_index.json") {
            if walk.consistency { $0["_class_name"] = "LatentConsistencyModelPipeline" }
            $0["scheduler"] = ["diffusers", walk.scheduler["_class_name"]?.string ?? ""]
        }
        if let unet = walk.unet {
            try copy.remove("unet")
            try FileManager.default.copyItem(atPath: fixture(unet), toPath: copy.path("unet"))
        }
        let model = try LatentDiffusionModel(path: copy.folder)
        if walk.lora { try model.merge(LoRAFile(path: fixture("few-steps/lora.safetensors"))) }
        return (model, copy)
    }

    @Test func areThere() { #expect(Self.walks.count == 33) }

    @Test(arguments: walks.indices) func equalsDiffusers(_ number: Int) throws {
        let walk = Self.walks[number]
        let (model, _) = try model(walk)
        let reference = try StateDict(safetensors: fixture("few-steps/walks.safetensors"))
        let settings = GenerationSettings(
            steps: walk.steps, guidanceScale: walk.guidance, strength: walk.strength,
            negativePrompt: DiffusionReference.negativePrompt)
        let prompts = ["a photo of a dog", "the art of a cartoon"]
        func generators() -> [Generator] { [7, 8].map { Generator(seed: $0) } }
        var drawing = generators()
        let text = try model.denoised(
            model.startLatents(model.startNoise(drawing), settings: settings), prompts: prompts, settings: settings,
            generators: drawing)
        #expect(try relativeError(text, #require(reference["\(number).text"])) < 1e-4, "\(walk.testDescription)")
        drawing = generators()
        let images = Tensor.rand([2, 3, 16, 16], generator: Generator(seed: 3))
        let variant = try model.denoised(
            model.noised(images, settings: settings, generators: drawing).latents, prompts: prompts,
            settings: settings, lastSteps: model.imageToImageSteps(settings), generators: drawing)
        #expect(try relativeError(variant, #require(reference["\(number).image"])) < 1e-4, "\(walk.testDescription)")
    }
}
