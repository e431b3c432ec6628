import Foundations
import Testing
import Torch

@testable import Diffusion

/// Whole pipelines on random weights against diffusers.
struct PipelineTests {
    static let tolerance = 1e-4
    private let guided = GenerationSettings(
        steps: 5, guidanceScale: 5, strength: 0.6, negativePrompt: DiffusionReference.negativePrompt)

    @Test(arguments: DiffusionReference.kinds)
    func textToImageEqualsDiffusers(kind: String) throws {
        let reference = try DiffusionReference(kind)
        let model = try LatentDiffusionModel(path: reference.folder)
        var steps = 0
        let image = try model.textToImage(
            [DiffusionReference.prompt], settings: guided, seeds: [], latents: reference.tensor("txt2img.noise")
        ) { step in
            let expected = try reference.tensor("txt2img.latents.\(step.index)")
            #expect(relativeError(step.latents, expected) < Self.tolerance, "step \(step.index)")
            #expect(step.count == 5)
            steps += 1
        }
        #expect(steps == 5)
        #expect(try relativeError(image, reference.tensor("txt2img.image")) < Self.tolerance)
    }

    @Test(arguments: DiffusionReference.kinds)
    func imageToImageEqualsDiffusers(kind: String) throws {
        let reference = try DiffusionReference(kind)
        let model = try LatentDiffusionModel(path: reference.folder)
        let source = try reference.tensor("img2img.source")
        var steps = 0
        // The maker's noise comes from seed 5, first the posterior's, then the noise that is added.
        let image = try model.imageToImage(
            source, prompts: [DiffusionReference.prompt], settings: guided, seeds: [5]
        ) { step in
            let expected = try reference.tensor("img2img.latents.\(step.index)")
            #expect(relativeError(step.latents, expected) < Self.tolerance, "step \(step.index)")
            steps += 1
        }
        #expect(steps == 3)
        #expect(try relativeError(image, reference.tensor("img2img.image")) < Self.tolerance)

        let given = try model.imageToImage(
            source, prompts: [DiffusionReference.prompt], settings: guided, seeds: [5],
            noise: reference.tensor("img2img.noise"))
        #expect(relativeError(given, image) < 1e-6)
    }

    @Test(arguments: DiffusionReference.kinds)
    func inversionEqualsDiffusers(kind: String) throws {
        let reference = try DiffusionReference(kind)
        let model = try LatentDiffusionModel(path: reference.folder)
        let expected = try reference.tensor("inversion.timesteps").scalars(Double.self)
        var timesteps: [Double] = []
        let noise = try model.invert(
            reference.tensor("img2img.source"), prompts: [DiffusionReference.prompt], steps: expected.count
        ) { step in
            let latents = try reference.tensor("inversion.latents.\(step.index)")
            #expect(relativeError(step.latents, latents) < Self.tolerance, "step \(step.index)")
            timesteps.append(step.timestep)
        }
        #expect(timesteps == expected)
        #expect(try relativeError(noise, reference.tensor("inversion.latents.3")) < Self.tolerance)
    }

    @Test func batchEqualsOneByOne() throws {
        let reference = try DiffusionReference("sd2")
        let model = try LatentDiffusionModel(path: reference.folder)
        let settings = GenerationSettings(steps: 2, guidanceScale: 3, strength: 1)
        let prompts = ["a dog", "art", "the cartoon"]
        let seeds: [UInt64] = [7, 8, 7]
        let sources = Tensor.rand([3, 3, 16, 16], generator: Generator(seed: 1))
        let together = try model.textToImage(prompts, settings: settings, seeds: seeds)
        let variants = try model.imageToImage(sources, prompts: prompts, settings: settings, seeds: seeds)
        for index in prompts.indices {
            let (prompt, seed) = ([prompts[index]], [seeds[index]])
            let alone = try model.textToImage(prompt, settings: settings, seeds: seed)
            #expect(relativeError(together[index..<(index + 1)], alone) < 1e-5)
            let variant = try model.imageToImage(
                sources[index..<(index + 1)], prompts: prompt, settings: settings, seeds: seed)
            #expect(relativeError(variants[index..<(index + 1)], variant) < 1e-5)
        }
        #expect(relativeError(together[0], together[1]) > 1e-3)
    }

    @Test func largeBatchesArePutTogether() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        let settings = GenerationSettings(steps: 1, guidanceScale: 1)
        let seeds = (0..<70).map(UInt64.init)
        let all = try model.textToImage([String](repeating: "art", count: 70), settings: settings, seeds: seeds)
        #expect(all.shape == [70, 3, 16, 16])
        let one = try model.textToImage(["art"], settings: settings, seeds: [66])
        #expect(relativeError(all[66..<67], one) < 1e-5)
        #expect(LatentDiffusionModel.batchLimit(positions: 16 * 16) == 64)
        #expect(LatentDiffusionModel.batchLimit(positions: 64 * 64) == 4)
        #expect(LatentDiffusionModel.batchLimit(positions: 1000 * 1000) == 1)
    }

    @Test func otherSizesThanTrained() throws {
        let model = try LatentDiffusionModel(path: fixture("sd2"))
        let settings = GenerationSettings(steps: 1, guidanceScale: 1, strength: 1)
        let image = try model.textToImage(["art"], settings: settings, seeds: [1], size: (height: 18, width: 26))
        #expect(image.shape == [1, 3, 18, 26])
        #expect(image.min().item() >= 0 && image.max().item() <= 1 && image.isContiguous)
        let variant = try model.imageToImage(image, prompts: ["art"], settings: settings, seeds: [1])
        #expect(variant.shape == [1, 3, 18, 26])
    }

    @Test func guidanceOfOneTakesNoNegativePrompt() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        func image(_ scale: Double, _ negative: String) throws -> Tensor {
            let settings = GenerationSettings(steps: 2, guidanceScale: scale, negativePrompt: negative)
            return try model.textToImage(["a dog"], settings: settings, seeds: [3])
        }
        #expect(try relativeError(image(1, "art"), image(1, "cartoon")) == 0)
        #expect(try relativeError(image(2, "art"), image(2, "cartoon")) > 0)
        // Guidance by the prompt itself changes nothing.
        #expect(try relativeError(image(4, "a dog"), image(1, "")) < 1e-4)
    }

    @Test func walkCanBeLeft() throws {
        let reference = try DiffusionReference("sd1")
        let model = try LatentDiffusionModel(path: reference.folder)
        var last: Denoising.Step?
        for step in try model.denoising(
            reference.tensor("txt2img.noise"), prompts: [DiffusionReference.prompt], settings: guided)
        {
            last = step
            if step.index == 1 { break }
        }
        let step = try #require(last)
        #expect(try relativeError(step.latents, reference.tensor("txt2img.latents.1")) < Self.tolerance)

        struct Stop: Error {}
        #expect(throws: Stop.self) {
            try model.textToImage(["art"], settings: guided, seeds: [0]) { _ in throw Stop() }
        }
    }

    @Test func resultsCanEnterAGraph() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        let weight = Tensor.ones([1])
        weight.requiresGrad = true
        let states = inferenceMode { model.embed(["a dog", "art", "a dog"]) }
        #expect(states.shape == [3, 77, 32])
        #expect(relativeError(states[0], states[2]) == 0)
        let latents = try model.startNoise(seeds: [1])
        let context = model.embed(["art"])
        let image = try model.textToImage(
            ["art"], settings: GenerationSettings(steps: 1), seeds: [1])
        let step = try #require(
            try model.denoising(latents, prompts: ["art"], settings: GenerationSettings(steps: 1)).first { _ in true })
        for tensor in [states, context, latents, image, step.latents, step.predictedOriginal] {
            try withTorchErrors { (tensor * weight).squared().sum().backward() }
        }
        #expect(try #require(weight.grad).item() > 0)
    }

    /// Walked back and forth with the same prompt an image comes back, the better the finer the steps.
    @Test func editingKeepsWhatIsNotChanged() throws {
        let model = try LatentDiffusionModel(path: fixture("sd2"))
        let image = Tensor.rand([1, 3, 16, 16], generator: Generator(seed: 1))
        let unchanged = try model.images(of: model.vae.encode(2 * image - 1))
        func error(_ steps: Int, to target: String = "art") throws -> Double {
            let settings = GenerationSettings(steps: steps, guidanceScale: 1, strength: 0.5)
            let edited = try model.editAfterInversion(image, from: ["art"], to: [target], settings: settings)
            return (edited - unchanged).squared().mean().item()
        }
        let (coarse, fine, other) = (try error(4), try error(50), try error(50, to: "a photo of a dog"))
        #expect(fine < coarse / 2)
        #expect(fine < other)
    }

    @Test func requestsThatCannotBeMet() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        let image = Tensor.zeros([1, 3, 16, 16])
        func message(_ body: () throws -> Tensor) -> String {
            do {
                _ = try body()
                return "nothing was thrown"
            } catch {
                return "\(error)"
            }
        }
        var settings = GenerationSettings(steps: 10, strength: 0.05)
        #expect(
            message { try model.imageToImage(image, prompts: ["a"], settings: settings, seeds: [0]) }
                == "strength 0.05 of 10 steps leaves no step to take: choose a strength of at least 0.1, or more steps")
        settings.strength = 1.5
        #expect(
            message { try model.imageToImage(image, prompts: ["a"], settings: settings, seeds: [0]) }
                == "strength 1.5: choose one above 0, up to 1")
        settings = GenerationSettings(steps: 0)
        #expect(message { try model.textToImage(["a"], settings: settings, seeds: [0]) }.hasPrefix("0 sampling steps"))
        settings = GenerationSettings(steps: 2)
        #expect(
            message { try model.textToImage(["a"], settings: settings, seeds: [0], size: (17, 16)) }
                == "images of 16×17 pixels: choose multiples of 2")
        #expect(message { try model.textToImage(["a", "b"], settings: settings, seeds: [0]) }.contains("2 prompts"))
        #expect(message { try model.textToImage([], settings: settings, seeds: []) }.contains("no seeds"))
        #expect(
            message { try model.imageToImage(image, prompts: ["a"], settings: settings, seeds: []) }
                .contains("0 seeds"))
        #expect(
            message { try model.imageToImage(image, prompts: [], settings: settings, seeds: [0]) }
                .contains("no prompts"))
        let odd = Tensor.zeros([1, 3, 15, 16])
        #expect(
            message { try model.imageToImage(odd, prompts: ["a"], settings: settings, seeds: [0]) }
                .contains("multiples of 2; resize them"))
        let wide = Tensor.zeros([1, 4, 8, 9])
        #expect(
            message { try model.imageToImage(image, prompts: ["a"], settings: settings, seeds: [0], noise: wide) }
                .contains("noise of shape [1, 4, 8, 9]"))
        let wrong = Tensor.zeros([1, 3, 8, 8])
        #expect(
            message { try model.textToImage(["a"], settings: settings, seeds: [0], latents: wrong) }
                .contains("[1, 4, h, w]"))
    }

    @Test func settingsOfDiffusers() throws {
        #expect(try GenerationSettings(steps: 50, strength: 0.8).imageToImageSteps() == 40)
        #expect(try GenerationSettings(steps: 5, strength: 0.5).imageToImageSteps() == 2)
        #expect(try GenerationSettings(steps: 7, strength: 1).imageToImageSteps() == 7)
        #expect(throws: UserError.self) { try GenerationSettings(strength: 0).imageToImageSteps() }
        #expect(throws: UserError.self) { try GenerationSettings(strength: .nan).imageToImageSteps() }
    }
}
