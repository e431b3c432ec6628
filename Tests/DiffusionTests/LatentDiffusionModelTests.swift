import Foundation
import Testing
import Torch

@testable import Diffusion

/// Model folders as they are found: of several ages, and damaged.
struct LatentDiffusionModelTests {
    /// A copy of the fixture `sd1` that a test may change.
    private func withCopy(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ldm-\(UUID().uuidString)").path
        try FileManager.default.copyItem(atPath: fixture("sd1"), toPath: folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    /// The message with which the changed copy is refused, without the folder's path.
    private func refusal(_ change: (String) throws -> Void) throws -> String {
        var message = "nothing was thrown"
        try withCopy { folder in
            try change(folder)
            do {
                _ = try LatentDiffusionModel(path: folder)
            } catch {
                message = "\(error)".replacingOccurrences(of: folder + "/", with: "")
            }
        }
        #expect(!message.contains("\n"))
        return message
    }

    private func edit(_ path: String, _ change: (inout [String: Any]) -> Void) throws {
        let url = URL(fileURLWithPath: path)
        var json = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
        change(&json)
        try JSONSerialization.data(withJSONObject: json).write(to: url)
    }

    private func rename(_ path: String, to other: String? = nil, _ rename: (String) -> String?) throws {
        let state = try StateDict(safetensors: path).renamed(rename)
        try state.write(safetensors: other ?? path)
        if let other, other != path { try FileManager.default.removeItem(atPath: path) }
    }

    @Test func sizes() throws {
        let model = try LatentDiffusionModel(path: fixture("sd1"))
        #expect(model.imageSize == 16)
        #expect(try model.textToImage(["art"], seeds: [0]).shape == [1, 3, 16, 16])
        let larger = try LatentDiffusionModel(path: fixture("sd1"), imageSize: 24)
        #expect(larger.imageSize == 24)
        #expect(try larger.textToImage(["art"], seeds: [0]).shape == [1, 3, 24, 24])
        #expect { try LatentDiffusionModel(path: fixture("sd1"), imageSize: 25) } throws: {
            "\($0)".contains("images of 25 pixels") && "\($0)".contains("choose a multiple of 2")
        }
        #expect(model.device == .cpu)
        #expect(model.dtype == .float32)
    }

    /// What transformers, old and new, and the checkpoints of Stable Diffusion 1.x call the weights.
    @Test func namesOfOtherVersions() throws {
        let expected = try LatentDiffusionModel(path: fixture("sd1")).textToImage(["art"], seeds: [0])
        try withCopy { folder in
            let text = "\(folder)/text_encoder/model.safetensors"
            try rename(text) { String($0.dropFirst("text_model.".count)) }
            var state = try StateDict(safetensors: text)
            state["embeddings.position_ids"] = Tensor((0..<77).map(Int64.init), shape: [1, 77])
            try state.write(safetensors: text + ".new")
            try FileManager.default.removeItem(atPath: text)
            try FileManager.default.moveItem(
                atPath: text + ".new", toPath: "\(folder)/text_encoder/model.fp16.safetensors")

            try rename("\(folder)/vae/diffusion_pytorch_model.safetensors") { key in
                guard key.contains("attentions") else { return key }
                return key.replacingOccurrences(of: "to_q", with: "query")
                    .replacingOccurrences(of: "to_k", with: "key").replacingOccurrences(of: "to_v", with: "value")
                    .replacingOccurrences(of: "to_out.0", with: "proj_attn")
            }
            let model = try LatentDiffusionModel(path: folder)
            #expect(try relativeError(model.textToImage(["art"], seeds: [0]), expected) == 0)
        }
    }

    @Test func lowerPrecision() throws {
        let exact = try LatentDiffusionModel(path: fixture("sd1"))
        let rough = try LatentDiffusionModel(path: fixture("sd1"), dtype: .bfloat16)
        #expect(rough.dtype == .bfloat16)
        let settings = GenerationSettings(steps: 2, guidanceScale: 2)
        let image = try rough.textToImage(["art"], settings: settings, seeds: [0])
        #expect(image.dtype == .float32)
        #expect(try relativeError(image, exact.textToImage(["art"], settings: settings, seeds: [0])) < 0.1)
    }

    @Test func missingParts() throws {
        #expect(throws: ModelError.self) { try LatentDiffusionModel(path: "/nowhere") }
        for part in ["vae", "unet", "text_encoder", "tokenizer", "scheduler"] {
            let message = try refusal { try FileManager.default.removeItem(atPath: "\($0)/\(part)") }
            #expect(message == "\(part): missing; a model folder in diffusers layout has it")
        }
        for file in ["unet/config.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt"] {
            let message = try refusal { try FileManager.default.removeItem(atPath: "\($0)/\(file)") }
            #expect(message.hasPrefix("\(file): "))
        }
        let weights = "unet/diffusion_pytorch_model.safetensors"
        #expect(
            try refusal { try FileManager.default.removeItem(atPath: "\($0)/\(weights)") }
                == "unet: holds no weights; wanted diffusion_pytorch_model.safetensors")
    }

    @Test func damagedWeights() throws {
        for file in [
            "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
            "text_encoder/model.safetensors",
        ] {
            let truncated = try refusal { folder in
                let handle = try #require(FileHandle(forWritingAtPath: "\(folder)/\(file)"))
                try handle.truncate(atOffset: 60_000)
            }
            #expect(truncated.hasPrefix("\(file): "))
            let text = try refusal { try Data("hello".utf8).write(to: URL(fileURLWithPath: "\($0)/\(file)")) }
            #expect(text.hasPrefix("\(file): "))
        }
    }

    @Test func configurationsThatDoNotFit() throws {
        let narrower = try refusal {
            try edit("\($0)/unet/config.json") { $0["block_out_channels"] = [8, 12] }
        }
        #expect(narrower.hasPrefix("unet/diffusion_pytorch_model.safetensors does not fit the model ("))
        #expect(narrower.contains("down_blocks.1.resnets.0.conv1.weight: shape [16, 8, 3, 3], wanted [12, 8, 3, 3]"))
        let missing = try refusal { folder in
            try rename("\(folder)/vae/diffusion_pytorch_model.safetensors") { $0.hasPrefix("quant") ? nil : $0 }
        }
        #expect(missing.hasSuffix("(2 keys): quant_conv.weight: missing; quant_conv.bias: missing"))
        let unknown = try refusal { try edit("\($0)/vae/config.json") { $0["spectral"] = true } }
        #expect(unknown == "vae/config.json: unknown settings spectral: not supported")

        #expect(
            try refusal { try edit("\($0)/unet/config.json") { $0["block_out_channels"] = [Int]() } }
                .hasPrefix("unet/config.json: "))
        #expect(
            try refusal { try edit("\($0)/unet/config.json") { $0["norm_num_groups"] = 3 } }
                .contains("are not multiples of norm_num_groups, 3"))
        #expect(
            try refusal { try edit("\($0)/unet/config.json") { $0["attention_head_dim"] = 3 } }
                .contains("does not divide block_out_channels"))
        #expect(
            try refusal { try edit("\($0)/text_encoder/config.json") { $0["num_attention_heads"] = 5 } }
                .contains("hidden_size 32 is not a multiple of num_attention_heads, 5"))
        #expect(
            try refusal { try edit("\($0)/vae/config.json") { $0["up_block_types"] = ["UpDecoderBlock2D"] } }
                .contains("1 up_block_types for 2 block_out_channels"))
        #expect(
            try refusal { try edit("\($0)/scheduler/scheduler_config.json") { $0["prediction_type"] = "x" } }
                .hasPrefix("scheduler/scheduler_config.json: "))
        let tokens = try refusal { try edit("\($0)/tokenizer/vocab.json") { $0["<|extra|>"] = 100_000 } }
        #expect(tokens == "tokenizer: has a token 100000, but the text encoder's vocab_size is 640")
    }
}
