import Foundations
import Testing
import Torch

@testable import Diffusion

/// Mixed prompts with guidance of their own, and image to image with a guide, against parts of diffusers
/// (scripts/fixtures/offline.py).
struct TextConditionTests {
    private let prompts = ["a photo of a dog", "the art of a cartoon"]

    private func reference(_ kind: String, _ name: String) throws -> Tensor {
        try #require(try StateDict(safetensors: fixture("offline/\(kind).safetensors"))[name])
    }

    /// The images and the guides of the fixture.
    private var pictures: (images: Tensor, guides: Tensor) {
        let generator = Generator(seed: 3)
        return (
            Tensor.rand([2, 3, 16, 16], generator: generator), Tensor.rand([2, 3, 16, 16], generator: generator)
        )
    }

    @Test(arguments: DiffusionReference.kinds)
    func mixedPromptsEqualDiffusers(kind: String) throws {
        let model = try LatentDiffusionModel(path: fixture(kind))
        let conditions = [
            TextCondition(prompts[0], mixedWith: "art", weight: 0.3, guidanceScale: 4.2),
            TextCondition(prompts[1], mixedWith: "a photo of a cartoon", weight: 0.62, guidanceScale: 5.7),
        ]
        let settings = GenerationSettings(steps: 6).withDDIM
        var last: Tensor?
        let images = try model.textToImage(conditions: conditions, settings: settings, seeds: [7, 8]) {
            last = $0.latents
        }
        #expect(try relativeError(#require(last), reference(kind, "between")) < 1e-4)
        #expect(try relativeError(images, reference(kind, "between.image")) < 1e-4)
    }

    @Test(arguments: DiffusionReference.kinds)
    func guidedImagesEqualDiffusers(kind: String) throws {
        let model = try LatentDiffusionModel(path: fixture(kind))
        let settings = GenerationSettings(steps: 6, guidanceScale: 5, strength: 0.6).withDDIM
        var last: Tensor?
        let images = try model.imageToImage(
            pictures.images, prompts: prompts, settings: settings, seeds: [7, 8],
            guide: ImageGuide(pictures.guides, weight: 0.3)
        ) { last = $0.latents }
        #expect(try relativeError(#require(last), reference(kind, "guided")) < 1e-4)
        #expect(try relativeError(images, reference(kind, "guided.image")) < 1e-4)
    }

    /// A mixture with nothing of the second prompt is the first, whatever stands beside it in the batch.
    @Test func theEndsOfAMixtureAreThePrompts() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        func image(_ condition: TextCondition) throws -> Tensor {
            let between = TextCondition("art", mixedWith: "cartoon", weight: 0.5)
            return try model.textToImage(
                conditions: [condition, between], settings: GenerationSettings(steps: 2), seeds: [3, 4])[0]
        }
        let (dog, art) = (try image(TextCondition("a dog")), try image(TextCondition("art")))
        #expect(try relativeError(image(TextCondition("a dog", mixedWith: "art", weight: 1)), dog) == 0)
        #expect(try relativeError(image(TextCondition("a dog", mixedWith: "art", weight: 0)), art) == 0)
        let half = try image(TextCondition("a dog", mixedWith: "art", weight: 0.5))
        #expect(relativeError(half, dog) > 1e-3 && relativeError(half, art) > 1e-3)
        // Guidance of one image leaves the other as it is.
        let weak = try image(TextCondition("a dog", guidanceScale: 2))
        #expect(relativeError(weak, dog) > 1e-3)
    }

    /// With given noise, a guide of no weight changes nothing but the seed's later draws, of which DDIM makes none.
    @Test func aGuideOfNoWeightIsNone() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        let settings = GenerationSettings(steps: 4, guidanceScale: 2).withDDIM
        let noise = try model.startNoise(seeds: [1, 2], size: (16, 16))
        func images(_ weight: Double?) throws -> Tensor {
            try model.imageToImage(
                pictures.images, prompts: prompts, settings: settings, seeds: [7, 8],
                guide: weight.map { ImageGuide(pictures.guides, weight: $0) }, noise: noise)
        }
        let plain = try images(nil)
        #expect(try relativeError(images(0), plain) < 1e-6)
        #expect(try relativeError(images(0.5), plain) > 1e-3)
    }

    @Test func requestsThatCannotBeMet() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        let wrong = ImageGuide(pictures.guides[0..<1], weight: 0.5)
        let error = #expect(throws: UserError.self) {
            try model.imageToImage(pictures.images, prompts: prompts, seeds: [7, 8], guide: wrong)
        }
        #expect(error?.message == "guides of shape [1, 3, 16, 16] for images of shape [2, 3, 16, 16]")
    }
}
