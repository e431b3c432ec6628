import Foundations
import Testing
import Torch

@testable import Diffusion

/// DDIM inversion and editing against diffusers' StableDiffusionDiffEditPipeline (scripts/fixtures/inversion.py): two images,
/// each with its own prompts, by a model that predicts the noise (sd1) and one that predicts the velocity (sd2).
struct InversionTests {
    private static let sources = ["a photo of a dog", "the art of a cartoon"]
    private static let targets = ["art", "a photo of a cartoon"]
    private static let negative = "the cartoon"
    private static let steps = 5
    private static let images = Tensor.rand([2, 3, 16, 16], generator: Generator(seed: 3))

    /// - Parameters:
    ///   - guidance: of the inversion.
    ///   - strength: the part of the steps that is walked.
    @Test(arguments: DiffusionReference.kinds, [(1.0, 1.0), (1, 0.6), (3, 1), (3, 0.6)])
    func equalsDiffusers(kind: String, walk: (guidance: Double, strength: Double)) throws {
        let reference = try StateDict(safetensors: fixture("inversion/\(kind).safetensors"))
        func expected(_ name: String) throws -> Tensor { try #require(reference[name]) }
        let name = "\(walk.guidance)-\(walk.strength)"
        let model = try LatentDiffusionModel(path: fixture(kind))
        let settings = GenerationSettings(
            steps: Self.steps, guidanceScale: 2, strength: walk.strength, negativePrompt: Self.negative)
        let count = try settings.imageToImageSteps()
        #expect(try relativeError(model.latents(of: Self.images), expected("mean")) < 1e-5)

        var walked = 0
        _ = try model.invert(
            Self.images, prompts: Self.sources, steps: Self.steps, firstSteps: count, guidanceScale: walk.guidance,
            negativePrompt: Self.negative
        ) { step in
            let error = try relativeError(step.latents, expected("\(name).latents.\(step.index)"))
            #expect(error < 2e-5, "step \(step.index)")
            #expect(step.count == count)
            walked += 1
        }
        #expect(walked == count)
        let edited = try model.denoised(
            expected("\(name).latents.\(count - 1)"), prompts: Self.targets, settings: settings.withDDIM,
            lastSteps: count)
        #expect(try relativeError(edited, expected("\(name).edited.latent")) < 2e-5)
        if walk.guidance == 1 {
            let images = try model.editAfterInversion(
                Self.images, from: Self.sources, to: Self.targets, settings: settings)
            #expect(try relativeError(images, expected("\(name).edited.pt")) < 2e-5)
        }
    }

    /// From the middle of the walk, under the same prompt, the latents come back: the better the more steps, and worse with
    /// guidance.
    @Test(arguments: DiffusionReference.kinds) func errorFallsWithTheSteps(kind: String) throws {
        let model = try LatentDiffusionModel(path: fixture(kind))
        let latents = try model.latents(of: Self.images)
        func error(_ steps: Int, guidance: Double = 1) throws -> Double {
            let noise = try model.invert(
                latents: latents, prompts: Self.sources, steps: steps, firstSteps: steps / 2, guidanceScale: guidance,
                negativePrompt: Self.negative)
            let settings = GenerationSettings(
                steps: steps, guidanceScale: guidance, negativePrompt: Self.negative
            ).withDDIM
            let back = try model.denoised(
                noise, prompts: Self.sources, settings: settings, lastSteps: steps / 2)
            return (back - latents).squared().mean().item()
        }
        let errors = try [4, 16, 64].map { try error($0) }
        #expect(errors[1] < errors[0] / 2 && errors[2] < errors[1] / 2, "\(errors)")
        #expect(try error(16, guidance: 4) > errors[1])
    }

    @Test func countsItsEvaluations() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        func evaluations(_ guidance: Double, _ strength: Double, _ scheduler: String? = nil) throws -> Int {
            try model.unetEvaluationsOfEdit(
                GenerationSettings(
                    steps: 10, guidanceScale: guidance, strength: strength, scheduler: scheduler, eta: 0.5))
        }
        #expect(try evaluations(1, 0.5) == 10)
        #expect(try evaluations(7.5, 0.5) == 15)
        // The sampler is DDIM, whichever is named.
        #expect(try evaluations(7.5, 1, "PNDMScheduler") == 30)
        #expect(throws: UserError.self) { try evaluations(1, 0.05) }
    }

    @Test func requestsThatCannotBeMet() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        #expect(throws: UserError("1 prompts for images of shape [2, 3, 16, 16]: give one for each")) {
            try model.invert(Self.images, prompts: ["art"], steps: 2)
        }
        #expect(throws: UserError.self) { try model.latents(of: .zeros([0, 3, 16, 16])) }
        #expect(throws: UserError.self) { try model.invert(.zeros([0, 3, 16, 16]), prompts: [], steps: 2) }
        #expect(throws: UserError("guidance nan is no number")) {
            try model.invert(Self.images, prompts: Self.sources, steps: 2, guidanceScale: .nan)
        }
        #expect(throws: UserError.self) { try model.invert(Self.images, prompts: Self.sources, steps: 0) }
    }
}
