import Foundation
import Foundations
import Testing
import Torch

@testable import Diffusion

/// Whole pipelines with every scheduler against diffusers (scripts/fixtures/pipelines.py): two images in a batch, each
/// with its own prompt and generator.
struct PipelineSchedulersTests {
    private static let prompts = ["a photo of a dog", "the art of a cartoon"]
    private static let seeds: [UInt64] = [7, 8]
    private static let forward = schedulerNames.filter { $0 != "DDIMInverseScheduler" }

    private func settings(_ scheduler: String? = nil) -> GenerationSettings {
        GenerationSettings(
            steps: 6, guidanceScale: 5, strength: 0.6, negativePrompt: DiffusionReference.negativePrompt,
            scheduler: scheduler)
    }

    /// Latents of text to image and of image to image, of the images at `range`.
    private func latents(
        _ model: LatentDiffusionModel, _ settings: GenerationSettings, _ range: Range<Int> = 0..<2
    ) throws -> (text: Tensor, image: Tensor) {
        let prompts = [String](Self.prompts[range])
        let images = Tensor.rand([2, 3, 16, 16], generator: Generator(seed: 3))[range]
        var generators = Self.seeds[range].map { Generator(seed: $0) }
        let text = try model.denoised(
            model.startLatents(model.startNoise(generators), settings: settings), prompts: prompts, settings: settings,
            generators: generators)
        generators = Self.seeds[range].map { Generator(seed: $0) }
        let image = try model.denoised(
            model.noised(images, settings: settings, generators: generators).latents, prompts: prompts,
            settings: settings, lastSteps: settings.imageToImageSteps(), generators: generators)
        return (text, image)
    }

    private func compare(
        _ model: LatentDiffusionModel, _ settings: GenerationSettings, _ name: String, of file: String,
        location: SourceLocation = #_sourceLocation
    ) throws {
        let reference = try StateDict(safetensors: fixture("pipelines/\(file).safetensors"))
        let found = try latents(model, settings)
        let errors = (
            relativeError(found.text, try #require(reference["\(name).text"])),
            relativeError(found.image, try #require(reference["\(name).image"]))
        )
        #expect(errors.0 < 1e-4, "\(name), text to image", sourceLocation: location)
        #expect(errors.1 < 1e-4, "\(name), image to image", sourceLocation: location)
    }

    @Test(arguments: DiffusionReference.kinds, forward)
    func everySchedulerEqualsDiffusers(kind: String, scheduler: String) throws {
        let model = try LatentDiffusionModel(path: fixture(kind))
        try compare(model, settings(scheduler), scheduler, of: kind)
    }

    @Test(arguments: DiffusionReference.kinds)
    func settingsOfGuidanceEqualDiffusers(kind: String) throws {
        let model = try LatentDiffusionModel(path: fixture(kind))
        var rescaled = settings()
        rescaled.guidanceRescale = 0.7
        let reference = try StateDict(safetensors: fixture("pipelines/\(kind).safetensors"))
        // diffusers' image to image does not rescale.
        let text = try latents(model, rescaled).text
        #expect(try relativeError(text, #require(reference["rescaled.text"])) < 1e-4)
        #expect(try relativeError(text, #require(reference["DDIMScheduler.text"])) > 1e-3)

        var eta = settings()
        eta.eta = 0.5
        try compare(model, eta, "eta", of: kind)

        var unguided = settings("EulerDiscreteScheduler")
        (unguided.steps, unguided.guidanceScale) = (2, 0)
        try compare(model, unguided, "unguided", of: kind)
        #expect(!model.isGuided(unguided))
        #expect(try model.unetEvaluations(unguided) == 2)
        #expect(try model.unetEvaluations(settings("PNDMScheduler")) == 2 * 15)
    }

    /// A model that is told the guidance scale, in the files that its scheduler is named in.
    @Test func consistencyModelEqualsDiffusers() throws {
        let copy = try ModelCopy()
        try copy.remove("unet")
        try FileManager.default.copyItem(atPath: fixture("unet-lcm"), toPath: copy.path("unet"))
        try copy.edit("scheduler/scheduler_config.json") { $0["_class_name"] = "LCMScheduler" }
        let model = try LatentDiffusionModel(path: copy.folder)
        var settings = settings()
        (settings.steps, settings.guidanceScale) = (4, 8.5)
        try compare(model, settings, "lcm", of: "other")
        #expect(!model.isGuided(settings))
        let plain = try latents(model, settings).text
        settings.guidanceScale = 2
        #expect(try relativeError(latents(model, settings).text, plain) > 1e-3)
    }

    @Test func tinyAutoencoderEqualsDiffusers() throws {
        let copy = try ModelCopy()
        try copy.remove("vae")
        try FileManager.default.copyItem(atPath: fixture("taesd"), toPath: copy.path("vae"))
        try copy.edit("model_index.json") { $0["vae"] = ["diffusers", "AutoencoderTiny"] }
        let model = try LatentDiffusionModel(path: copy.folder)
        #expect(model.vae is AutoencoderTiny)
        #expect(model.imageSize == 16)
        try compare(model, settings("DDIMScheduler"), "tiny", of: "other")
        let image = try model.textToImage(["art"], settings: GenerationSettings(steps: 2), seeds: [1])
        #expect(image.shape == [1, 3, 16, 16])
    }

    private static var betas: [String: Any] {
        ["beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000]
    }

    /// A copy of a fixture with other settings of the sampler, and a VAE with a shift that no pipeline applies.
    private func copy(_ kind: String, _ settings: [String: Any]) throws -> ModelCopy {
        let copy = try ModelCopy(kind)
        try copy.edit("scheduler/scheduler_config.json") { $0 = settings.merging(Self.betas) { own, _ in own } }
        try copy.edit("model_index.json") { $0["scheduler"] = ["diffusers", settings["_class_name"]] }
        try copy.edit("vae/config.json") { $0["shift_factor"] = 0.7 }
        return copy
    }

    /// Settings that diffusers' pipelines replace, whether the file lacks them or has them wrong.
    @Test func oldCheckpointsEqualDiffusers() throws {
        let ddim = try copy(
            "sd1", ["_class_name": "DDIMScheduler", "_diffusers_version": "0.2.4", "set_alpha_to_one": false])
        var model = try LatentDiffusionModel(path: ddim.folder)
        #expect(model.replacedSettings == ["clip_sample", "steps_offset"])
        for scheduler in Self.forward { try compare(model, settings(scheduler), "ddim.\(scheduler)", of: "old") }
        let reference = try StateDict(safetensors: fixture("pipelines/old.safetensors"))
        let decoded = try model.images(of: latents(model, settings()).text)
        #expect(relativeError(decoded, try #require(reference["ddim.decoded"])) < 1e-4)

        let pndm = try copy(
            "sd1",
            ["_class_name": "PNDMScheduler", "clip_sample": true, "skip_prk_steps": true, "steps_offset": 0])
        model = try LatentDiffusionModel(path: pndm.folder)
        for scheduler in ["PNDMScheduler", "DDIMScheduler"] {
            try compare(model, settings(scheduler), "pndm.\(scheduler)", of: "old")
        }
        // A pipeline of latent consistency models takes the file as it is.
        try pndm.edit("model_index.json") { $0["_class_name"] = "LatentConsistencyModelPipeline" }
        model = try LatentDiffusionModel(path: pndm.folder)
        #expect(model.replacedSettings.isEmpty && model.schedulerConfig.clipSample == true)
        #expect(try LatentDiffusionModel(path: fixture("sd1")).replacedSettings.isEmpty)
    }

    /// PNDM does not know of a zero terminal SNR; the others do.
    @Test(arguments: ["leading", "trailing"]) func zeroTerminalSNREqualsDiffusers(spacing: String) throws {
        let copy = try copy(
            "sd2",
            [
                "_class_name": "DDIMScheduler", "clip_sample": false, "set_alpha_to_one": false, "steps_offset": 1,
                "prediction_type": "v_prediction", "rescale_betas_zero_snr": true, "timestep_spacing": spacing,
                "skip_prk_steps": true,
            ])
        let model = try LatentDiffusionModel(path: copy.folder)
        for scheduler in Self.forward {
            try compare(model, settings(scheduler), "zero-snr-\(spacing).\(scheduler)", of: "old")
        }
    }

    /// The first files of U-Nets had a size that diffusers' pipelines replace.
    @Test func oldUNetsAreOfSixtyFourPositions() throws {
        let copy = try ModelCopy()
        for (version, side) in [("0.8.1", 128), ("0.2.4", 128), ("0.9.0", 16), ("0.42.1", 16)] {
            try copy.edit("unet/config.json") { $0["_diffusers_version"] = version }
            #expect(try LatentDiffusionModel(path: copy.folder).imageSize == side, "\(version)")
        }
    }

    @Test(arguments: forward) func batchEqualsOneByOne(scheduler: String) throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        let together = try latents(model, settings(scheduler))
        for index in 0..<2 {
            let alone = try latents(model, settings(scheduler), index..<(index + 1))
            #expect(relativeError(together.text[index..<(index + 1)], alone.text) < 1e-5)
            #expect(relativeError(together.image[index..<(index + 1)], alone.image) < 1e-5)
        }
    }

    /// A walk that is left after any step and gone on with in another object ends as if it had not been left.
    @Test(arguments: forward) func walkGoesOnFromAFile(scheduler: String) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).safetensors")
            .path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        var settings = settings(scheduler)
        settings.steps = 5
        func walk() throws -> Denoising {
            let generators = [Generator(seed: 4)]
            let start = try model.startLatents(model.startNoise(generators), settings: settings)
            return try model.denoising(start, prompts: ["art"], settings: settings, generators: generators)
        }
        var whole = try walk()
        var last: Denoising.Step?
        var stops = 0
        while let step = whole.next() {
            last = step
            stops += 1
        }
        let expected = try #require(last).latents
        for stop in 1..<stops {
            var first = try walk()
            for _ in 0..<stop { _ = first.next() }
            try first.state.write(safetensors: path)
            var second = try walk()
            try second.restore(StateDict(safetensors: path))
            while let step = second.next() { last = step }
            #expect(try relativeError(#require(last).latents, expected) == 0, "after \(stop)")
            #expect(last?.index == stops - 1)
        }
        var other = try model.denoising(
            .zeros([2, 4, 8, 8]), prompts: ["a", "b"], settings: settings,
            generators: [Generator(seed: 0), Generator(seed: 1)])
        let state = try StateDict(safetensors: path)
        #expect(throws: UserError.self) { try other.restore(state) }
        #expect(throws: UserError.self) { try other.restore(StateDict()) }
    }

    @Test func requestsThatCannotBeMet() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        func message(_ change: (inout GenerationSettings) -> Void, latents: Tensor? = nil) -> String {
            var settings = settings()
            change(&settings)
            do {
                _ = try model.textToImage(["a"], settings: settings, seeds: latents == nil ? [0] : [], latents: latents)
                return "nothing was thrown"
            } catch {
                return "\(error)"
            }
        }
        #expect(message { $0.scheduler = "EulerDiscrete" }.contains("EulerDiscreteScheduler"))
        #expect(message { $0.guidanceRescale = 2 } == "guidance rescale 2.0: choose one from 0 to 1")
        #expect(message { $0.eta = -1 } == "eta -1.0: choose one from 0 to 1")
        #expect(message { ($0.eta, $0.scheduler) = (1, "UniPCMultistepScheduler") }.contains("eta is a setting of"))
        #expect(message { $0.guidanceScale = .nan }.contains("is no number"))
        #expect(
            message({ $0.scheduler = "DDPMScheduler" }, latents: .zeros([1, 4, 8, 8]))
                == "DDPMScheduler draws noise in every step, but there are 0 seeds for 1 images: give one for each")
        #expect(message({ $0.scheduler = "PNDMScheduler" }, latents: .zeros([1, 4, 8, 8])) == "nothing was thrown")
    }
}
