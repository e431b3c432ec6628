import Foundation
import Foundations
import Testing
import Torch

@testable import Diffusion

/// TAESD against diffusers (scripts/fixtures/pipelines.py).
struct AutoencoderTinyTests {
    private func compare(_ vae: AutoencoderTiny, _ reference: StateDict) throws {
        func tensor(_ name: String) throws -> Tensor { try #require(reference[name]) }
        let scale = vae.config.scalingFactor
        let encoded = try vae.encode(tensor("image").contiguous(.channelsLast))
        #expect(try relativeError(encoded, tensor("latents") * scale) < 1e-4)
        let drawn = try vae.encode(tensor("image")) {
            Issue.record("it has no posterior to draw from")
            return .zeros([1])
        }
        #expect(relativeError(drawn, encoded) < 1e-5)
        let decoded = try vae.decode((tensor("latent") * scale).contiguous(.channelsLast))
        #expect(try relativeError(decoded, tensor("decoded")) < 1e-4)
    }

    @Test func smallEqualsDiffusers() throws {
        let folder = try fixture("taesd")
        let vae = try AutoencoderTiny(folder: folder)
        #expect(vae.downsampling == 2 && vae.config.scalingFactor == 0.7)
        try compare(vae, StateDict(safetensors: "\(folder)/reference.safetensors"))
        let rough = try AutoencoderTiny(folder: folder, dtype: .bfloat16)
        #expect(rough.decode(.zeros([1, 4, 8, 8])).dtype == .bfloat16)
    }

    /// The published configuration, with weights that the fixture's maker draws in the same way.
    @Test func publishedConfigurationEqualsDiffusers() throws {
        let vae = AutoencoderTiny(ParameterStore(seed: 0), AutoencoderTinyConfig())
        let entries = vae.store.entries.sorted { $0.name < $1.name }
        for (seed, entry) in entries.enumerated() {
            let shape = entry.tensor.shape
            let fanIn = shape.dropFirst().reduce(1, *)
            let noise = Tensor.randn(shape, generator: Generator(seed: UInt64(seed)))
            noGrad { entry.tensor.copy_(shape.count > 1 ? noise / Double(fanIn).squareRoot() : 0.1 * noise) }
        }
        #expect(vae.store.parameterCount == 2_445_063)
        #expect(vae.downsampling == 8)
        vae.store.useChannelsLast()
        try noGrad { try compare(vae, StateDict(safetensors: fixture("taesd/full.safetensors"))) }
    }

    /// The published weights of TAESD, where `TAESD` names their folder, and a model with them in place of its autoencoder.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["TAESD"] != nil))
    func publishedWeightsEqualDiffusers() throws {
        let folder = try #require(ProcessInfo.processInfo.environment["TAESD"])
        let reference = try StateDict(safetensors: fixture("few-steps/taesd.safetensors"))
        let (image, latents) = try (#require(reference["image"]), #require(reference["latents"]))
        let decoded = try #require(reference["decoded"])
        let vae = try AutoencoderTiny(folder: folder)
        inferenceMode {
            #expect(relativeError(vae.encode(image * 2 - 1), latents) < 1e-4)
            #expect(relativeError(vae.decode(latents), decoded) < 1e-4)
        }
        let model = try LatentDiffusionModel(path: fixture("sd1"), vaeFolder: folder)
        // The tiny U-Net is of 8×8 latents, which TAESD makes 64×64 pixels of.
        #expect(model.vae is AutoencoderTiny && model.imageSize == 64)
        let made = try model.imageToImage(
            image.resizedBilinear(64, 64), prompts: ["art"], settings: GenerationSettings(steps: 2, strength: 0.5),
            seeds: [1])
        #expect(made.shape == [1, 3, 64, 64])
    }

    /// Another autoencoder in place of a model's own.
    @Test func takesTheModelsPlace() throws {
        let copy = try ModelCopy()
        try copy.remove("vae")
        try FileManager.default.copyItem(atPath: fixture("taesd"), toPath: copy.path("vae"))
        try copy.edit("model_index.json") { $0["vae"] = ["diffusers", "AutoencoderTiny"] }
        let (own, given) = try (
            LatentDiffusionModel(path: copy.folder),
            LatentDiffusionModel(path: fixture("sd1"), vaeFolder: fixture("taesd"))
        )
        let settings = GenerationSettings(steps: 2)
        let images = try [own, given].map { try $0.textToImage(["art"], settings: settings, seeds: [1]) }
        #expect(images[0].scalars(Float.self) == images[1].scalars(Float.self))
        let error = #expect(throws: ModelError.self) {
            try LatentDiffusionModel(path: fixture("sd1"), vaeFolder: fixture("unet-lcm"))
        }
        #expect(error?.description.contains("unet-lcm") == true)
    }

    @Test func configurationsThatAreRefused() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        for (json, words) in [
            ("{\"act_fn\": \"silu\"}", "act_fn is \"silu\""), ("{\"num_encoder_blocks\": [1, 2]}", "levels"),
            ("{\"decoder_block_out_channels\": [64, 64, 32, 64]}", "decoder_block_out_channels"),
            ("{\"upsampling_scaling_factor\": 4}", "upsampling_scaling_factor"), ("{\"magnitude\": 3}", "magnitude"),
            ("{\"_class_name\": \"AutoencoderKL\"}", "AutoencoderKL"), ("{\"scaling_factor\": 0}", "scaling_factor"),
            ("{\"num_encoder_blocks\": [], \"encoder_block_out_channels\": []}", "encoder_block_out_channels"),
        ] {
            try AtomicFile.write(json, to: path)
            let error = #expect(throws: ModelError.self) { try AutoencoderTinyConfig(path: path) }
            #expect(error?.description.contains(words) == true, "\(json): \(error?.description ?? "")")
        }
        let copy = try ModelCopy()
        try copy.edit("vae/config.json") { $0["_class_name"] = "AutoencoderDC" }
        #expect(copy.refusal().contains("AutoencoderDC"))
    }
}
