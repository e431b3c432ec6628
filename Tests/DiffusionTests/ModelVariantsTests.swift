import Foundation
import Foundations
import Testing
import Torch

@testable import Diffusion

/// The forms in which weights are published, and the types that they are computed in.
struct ModelVariantsTests {
    private let variant = "unet/diffusion_pytorch_model.fp16.safetensors"

    private func firstBias(_ folder: String, _ dtype: DType) throws -> Double {
        let unet = try UNet2DConditionModel(folder: "\(folder)/unet", dtype: dtype)
        #expect(unet.store.dtype == dtype)
        return try #require(unet.store["conv_in.bias"])[0].item()
    }

    @Test func theVariantOfTheTypeIsPreferred() throws {
        let copy = try ModelCopy()
        func write(_ name: String, bias: Double, dtype: DType? = nil) throws {
            var state = try copy.state(ModelCopy.unet)
            state["conv_in.bias"] = .full([8], bias)
            try state.write(safetensors: copy.path(name), dtype: dtype)
        }
        try write(variant, bias: 16, dtype: .float16)
        try write(ModelCopy.unet, bias: 32)
        #expect(try firstBias(copy.folder, .float32) == 32)
        #expect(try firstBias(copy.folder, .float16) == 16)
        #expect(try firstBias(copy.folder, .bfloat16) == 32)
        try copy.shardUNet()
        #expect(try firstBias(copy.folder, .float32) == 32)
        #expect(try firstBias(copy.folder, .float16) == 16)
        try copy.remove("unet/diffusion_pytorch_model.safetensors.index.json")
        #expect(try firstBias(copy.folder, .float32) == 16)
        #expect(try firstBias(copy.folder, .bfloat16) == 16)
    }

    @Test(arguments: [nil, "fp16"])
    func shardedWeightsAreTheSameWeights(variant: String?) throws {
        let whole = try UNet2DConditionModel(folder: fixture("sd1") + "/unet").store
        let copy = try ModelCopy()
        try copy.shardUNet(variant: variant)
        let sharded = try UNet2DConditionModel(folder: copy.path("unet")).store
        #expect(sharded.entries.count == whole.entries.count)
        for entry in whole.entries {
            #expect(sharded[entry.name]?.scalars(Float.self) == entry.tensor.scalars(Float.self), "\(entry.name)")
        }
    }

    /// A U-Net of a latent consistency model: `time_cond_proj_dim`, float16 shards as diffusers writes them.
    @Test func consistencyModelEqualsDiffusers() throws {
        let folder = try fixture("unet-lcm")
        let unet = try UNet2DConditionModel(folder: folder)
        let reference = try StateDict(safetensors: "\(folder)/reference.safetensors")
        func tensor(_ name: String) throws -> Tensor { try #require(reference[name]) }
        let (sample, time, context) = try (tensor("sample"), tensor("timestep"), tensor("context"))
        let plain = unet(sample, timesteps: time, context: context)
        #expect(try relativeError(plain, tensor("plain")) < 1e-4)
        let guided = try unet(
            sample, timesteps: time, context: context, guidanceScale: tensor("guidance_scale").item())
        #expect(try relativeError(guided, tensor("guided")) < 1e-4)
        #expect(relativeError(guided, plain) > 1e-3)
        #expect(unet.config.json["time_cond_proj_dim"] == 12)
    }

    /// A U-Net that adds the pooled prompt to the time embedding: `addition_embed_type: text`.
    @Test func textTimeEmbeddingEqualsDiffusers() throws {
        let folder = try fixture("unet-text")
        let unet = try UNet2DConditionModel(folder: folder)
        let reference = try StateDict(safetensors: "\(folder)/reference.safetensors")
        func tensor(_ name: String) throws -> Tensor { try #require(reference[name]) }
        let output = try unet(tensor("sample"), timesteps: tensor("timestep"), context: tensor("context"))
        #expect(try relativeError(output, tensor("plain")) < 1e-4)
        #expect(unet.config.json["addition_embed_type"] == "text")
        #expect(unet.config.json["addition_embed_type_num_heads"] == 4)
        for (key, value, problem) in [
            (
                "addition_embed_type", "text_time" as JSONValue,
                "addition_embed_type text_time is not supported; text is"
            ),
            (
                "addition_embed_type_num_heads", 5,
                "addition_embed_type_num_heads 5 does not divide cross_attention_dim 32; fetch the file again"
            ),
        ] {
            let path = NSTemporaryDirectory() + "unet-\(UUID().uuidString).json"
            defer { try? FileManager.default.removeItem(atPath: path) }
            var json = unet.config.json
            json[key] = value
            try JSONFile.write(json, to: path)
            let error = #expect(throws: ModelError.self) { try UNet2DConditionConfig(path: path) }
            #expect(error?.description == "\(path): \(problem)")
        }
    }

    /// A folder as today's diffusers and transformers write it: one file for the tokenizer, and a text encoder whose keys may
    /// begin with its name or not.
    @Test(arguments: [true, false]) func foldersOfToday(prefixed: Bool) throws {
        let copy = try ModelCopy()
        try copy.remove("tokenizer")
        try FileManager.default.copyItem(atPath: fixture("tokenizer/small1"), toPath: copy.path("tokenizer"))
        let file = "text_encoder/model.safetensors"
        let names = try copy.state(file).names
        #expect(names.allSatisfy { $0.hasPrefix("text_model.") })
        if !prefixed {
            let plain = try copy.state(file).renamed { String($0.dropFirst("text_model.".count)) }
            try plain.write(safetensors: copy.path(file))
        }
        try copy.edit("model_index.json") { $0["image_encoder"] = [NSNull(), NSNull()] }
        #expect(ModelFiles.isComplete(folder: copy.folder))
        // What of such a repository is fetched.
        let files = try #require(FileManager.default.enumerator(atPath: copy.folder)?.allObjects as? [String])
        let selection = try ModelFiles.Selection(
            among: Set(files), precision: .float32, needsVariant: false, model: "today")
        #expect(selection.files.contains("tokenizer/tokenizer.json"))
        #expect(!selection.files.contains { $0.hasSuffix("vocab.json") || $0.hasSuffix("merges.txt") })
        let (model, old) = try (
            LatentDiffusionModel(path: copy.folder), LatentDiffusionModel(path: fixture("sd1"))
        )
        let prompts = [DiffusionReference.prompt, "<|endoftext|> a dog"]
        #expect(model.embed(prompts).scalars(Float.self) == old.embed(prompts).scalars(Float.self))
    }

    @Test(arguments: [(ModelPrecision.bfloat16, 0.1), (.float16, 0.02)])
    func sixteenBits(precision: ModelPrecision, tolerance: Double) throws {
        let exact = try LatentDiffusionModel(path: fixture("sd2"))
        let rough = try LatentDiffusionModel(path: fixture("sd2"), dtype: precision.dtype)
        #expect(rough.dtype == precision.dtype && rough.workingDType == .float32)
        #expect(rough.textEncoder.store.dtype == precision.dtype)
        // float16 is too narrow for the VAE; bfloat16 has float32's range.
        #expect(rough.vae.store.dtype == (precision == .float16 ? .float32 : .bfloat16))
        let settings = GenerationSettings(steps: 2, guidanceScale: 2, strength: 0.5)
        let expected = try exact.textToImage(["art"], settings: settings, seeds: [0])
        let image = try rough.textToImage(["art"], settings: settings, seeds: [0])
        #expect(image.dtype == .float32)
        #expect(relativeError(image, expected) < tolerance)
        // From the same image: the rounding of one pass is not fed into the next.
        let again = try rough.imageToImage(expected, prompts: ["art"], settings: settings, seeds: [0])
        let expectedAgain = try exact.imageToImage(expected, prompts: ["art"], settings: settings, seeds: [0])
        #expect(relativeError(again, expectedAgain) < tolerance)
        let inverted = try rough.invert(expected, prompts: ["art"], steps: 2)
        #expect(try relativeError(inverted, exact.invert(expected, prompts: ["art"], steps: 2)) < tolerance)
    }

    @Test func bfloat16NeedsAProcessorForIt() throws {
        #expect(try ModelPrecision.bfloat16.dtype(on: .cpu, hasBFloat16: true) == .bfloat16)
        #expect(try ModelPrecision.bfloat16.dtype(on: Device(.cuda), hasBFloat16: false) == .bfloat16)
        #expect(try ModelPrecision.float16.dtype(on: .cpu, hasBFloat16: false) == .float16)
        let error = #expect(throws: UserError.self) {
            try ModelPrecision.bfloat16.dtype(on: .cpu, hasBFloat16: false)
        }
        #expect(error?.description.hasSuffix("choose float32 as the model's precision") == true)
    }

    @Test func floatSixteenVAEWhereItIsAllowed() throws {
        let copy = try ModelCopy()
        try copy.edit("vae/config.json") { $0["force_upcast"] = false }
        let vae = try AutoencoderKL(folder: copy.path("vae"), dtype: .float16)
        #expect(vae.store.dtype == .float16)
        #expect(vae.decode(.zeros([1, 4, 8, 8])).dtype == .float16)
    }
}
