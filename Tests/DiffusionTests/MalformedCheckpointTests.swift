import Foundation
import Testing
import Torch

@testable import Diffusion

/// Damaged and hostile checkpoints: each is refused in one line that names the file.
struct MalformedCheckpointTests {
    private let unet = ModelCopy.unet
    private let index = "unet/diffusion_pytorch_model.safetensors.index.json"
    private let shards = (1...2).map { "unet/diffusion_pytorch_model-0000\($0)-of-00002.safetensors" }

    @Test func truncated() throws {
        for size in [0, 5, 8, 100, 60_000] {
            let copy = try ModelCopy()
            let handle = try #require(FileHandle(forWritingAtPath: copy.path(unet)))
            try handle.truncate(atOffset: UInt64(size))
            let reason = size == 0 ? "the file is empty" : "not a valid safetensors file: "
            #expect(copy.refusal().hasPrefix("\(unet): \(reason)"))
        }
    }

    @Test func headersThatLie() throws {
        let huge = try ModelCopy()
        let bytes = withUnsafeBytes(of: UInt64(200_000_000_000).littleEndian, Array.init) + Array("{}".utf8)
        try Data(bytes).write(to: URL(fileURLWithPath: huge.path(unet)))
        #expect(huge.refusal().contains("\(unet): not a valid safetensors file: header of 200000000000 bytes"))

        let overlapping = try ModelCopy()
        try overlapping.replaceHeader { header in
            // The second tensor's bytes begin where the first one's do.
            let offsets = header.ranges(of: /"data_offsets":\[\d+,\d+\]/).map { header[$0] }
            header = header.replacingOccurrences(of: offsets[1], with: offsets[0])
        }
        #expect(overlapping.refusal().hasPrefix("\(unet): not a valid safetensors file: tensor \""))

        let twice = try ModelCopy()
        try twice.replaceHeader { header in
            guard let entry = header.firstMatch(of: /"conv_in\.bias":\{[^}]*\}/) else { return }
            header = "{\(entry.0)," + header.dropFirst()
        }
        #expect(
            twice.refusal().hasPrefix(
                "\(unet): not a valid safetensors file: key \"conv_in.bias\" appears twice"))

        let unknown = try ModelCopy()
        try unknown.replaceHeader { $0 = $0.replacingOccurrences(of: "\"F32\"", with: "\"F33\"") }
        #expect(unknown.refusal().contains("has the unknown dtype \"F33\""))
    }

    @Test func wrongTypes() throws {
        let integers = try ModelCopy()
        try integers.rewrite { $0["conv_in.bias"] = Tensor([Int64](repeating: 1, count: 8)) }
        #expect(
            integers.refusal()
                == "\(unet) does not fit the model (1 keys): conv_in.bias: int64 numbers, wanted float32")

        let eight = try ModelCopy()
        try eight.replaceHeader { header in
            // Four bytes of float32 as four numbers of eight bits.
            header = header.replacingOccurrences(
                of: "\"conv_in.bias\":{\"dtype\":\"F32\",\"shape\":[8]",
                with: "\"conv_in.bias\":{\"dtype\":\"F8_E4M3\",\"shape\":[32]")
        }
        #expect(eight.refusal().contains("\(unet): conv_in.bias has type F8_E4M3, which is not supported"))
    }

    @Test func numbersThatAreNone() throws {
        for (value, file, key) in [
            (Double.nan, unet, "mid_block.resnets.0.conv1.weight"),
            (.infinity, "vae/diffusion_pytorch_model.safetensors", "decoder.conv_out.bias"),
            (-.infinity, "text_encoder/model.safetensors", "text_model.final_layer_norm.weight"),
        ] {
            let copy = try ModelCopy()
            try copy.rewrite(file) { state in
                let damaged = try #require(state[key]).cloned()
                damaged.flattened()[1].fill_(value)
                state[key] = damaged
            }
            // A part is looked at when it is first used, by whatever.
            let refusal = copy.refusal { _ = try $0.textToImage(["a cat"], settings: .init(steps: 1), seeds: [0]) }
            #expect(refusal == "\(file): \(key) holds infinite values or NaN; fetch the file again")
        }
        // Large, but numbers: their sum overflows.
        let copy = try ModelCopy()
        try copy.rewrite { $0["conv_in.bias"] = .full([8], 3e38) }
        let large = try LatentDiffusionModel(path: copy.folder)
        _ = try large.textToImage(["a cat"], settings: .init(steps: 1), seeds: [0])
    }

    @Test func shardsThatDoNotFitTheirIndex() throws {
        let missing = try ModelCopy()
        try missing.shardUNet()
        _ = try LatentDiffusionModel(path: missing.folder)
        try missing.remove(shards[1])
        #expect(missing.refusal().hasPrefix("\(index): diffusion_pytorch_model-00002-of-00002.safetensors is missing"))

        for outside in [
            "../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "..", "a/../b.safetensors",
            "diffusion_pytorch_model\0.safetensors", "a\n.safetensors", "\u{7F}.safetensors",
        ] {
            let copy = try ModelCopy()
            try copy.writeIndex(["conv_in.bias": outside])
            try copy.remove(unet)
            #expect(copy.refusal().hasPrefix("\(index): not a valid safetensors index: refuses to open"))
        }

        let swapped = try ModelCopy()
        try swapped.shardUNet()
        try FileManager.default.moveItem(atPath: swapped.path(shards[0]), toPath: swapped.path("kept"))
        try FileManager.default.moveItem(atPath: swapped.path(shards[1]), toPath: swapped.path(shards[0]))
        try FileManager.default.moveItem(atPath: swapped.path("kept"), toPath: swapped.path(shards[1]))
        #expect(swapped.refusal().contains(", which \(index) does not list for it"))

        let lacking = try ModelCopy()
        try lacking.shardUNet()
        try lacking.rewrite(shards[1]) { $0[$0.names[0]] = nil }
        #expect(lacking.refusal().contains(", which \(index) lists for it"))

        let duplicated = try ModelCopy()
        try duplicated.shardUNet()
        let first = try duplicated.state(shards[0])
        try duplicated.rewrite(shards[1]) { $0[first.names[0]] = first[first.names[0]] }
        #expect(duplicated.refusal().hasPrefix("\(shards[1]): holds "))
    }

    @Test func configurationsThatDisagree() throws {
        // However large the sizes, nothing is allocated for them.
        let wide = try ModelCopy()
        try wide.edit("unet/config.json") { $0["block_out_channels"] = [65_536, 65_536] }
        #expect(wide.refusal().hasPrefix("\(unet) does not fit the model ("))
        let deep = try ModelCopy()
        try deep.edit("unet/config.json") {
            $0["layers_per_block"] = 256
            $0["transformer_layers_per_block"] = 256
        }
        #expect(deep.refusal().hasPrefix("unet/config.json: channels, cross_attention_dim, layers"))
        let words = try ModelCopy()
        try words.edit("text_encoder/config.json") { $0["vocab_size"] = 10_000_000 }
        #expect(words.refusal().contains("token_embedding.weight: shape [640, 32], wanted [10000000, 32]"))
    }

    /// True is no number and 1 no truth, for Python's readers and for ours.
    @Test func truthsAreNoNumbers() throws {
        let copy = try ModelCopy()
        for (file, key, value, problem) in [
            ("unet/config.json", "in_channels", true as Any, "in_channels is true; wanted an integer"),
            ("unet/config.json", "norm_eps", true, "norm_eps is true; wanted a number"),
            ("unet/config.json", "block_out_channels", [true, 16], "block_out_channels is [true,16]; wanted a list"),
            ("unet/config.json", "downsample_padding", true, "downsample_padding is true; wanted 1"),
            ("vae/config.json", "force_upcast", 1, "force_upcast is 1; wanted true or false"),
            ("scheduler/scheduler_config.json", "steps_offset", true, "steps_offset is true; wanted an integer"),
            ("scheduler/scheduler_config.json", "clip_sample", 0, "clip_sample is 0; wanted true or false"),
        ] {
            let whole = try Data(contentsOf: URL(fileURLWithPath: copy.path(file)))
            try copy.edit(file) { $0[key] = value }
            let refusal = copy.refusal()
            #expect(refusal.hasPrefix("\(file): \(problem)"), "\(refusal)")
            try whole.write(to: URL(fileURLWithPath: copy.path(file)))
        }
        #expect(copy.refusal() == "nothing was thrown")
    }

    @Test func configurationsThatAreNone() throws {
        for (text, reason) in [
            ("", "the file is empty"), ("{", "not valid JSON"), ("[1]", "not a JSON object"),
            ("{\"a\": \"b\"", "not valid JSON"), ("{\"a\": 1, \"a\": 2}", "key \"a\" appears twice"),
            (String(repeating: "[", count: 100_000), "nested too deep"), ("{\"a\": nan}", "not valid JSON"),
        ] {
            let copy = try ModelCopy()
            try Data(text.utf8).write(to: URL(fileURLWithPath: copy.path("unet/config.json")))
            let message = copy.refusal()
            #expect(
                message.hasPrefix("unet/config.json: ") && message.contains(reason), "\(text.prefix(20)): \(message)")
        }
    }

    @Test func otherClasses() throws {
        let pipeline = try ModelCopy()
        try pipeline.edit("model_index.json") { $0["_class_name"] = "StableDiffusionXLPipeline" }
        #expect(
            pipeline.refusal()
                == "model_index.json: StableDiffusionXLPipeline is not supported; StableDiffusionPipeline is")
        let second = try ModelCopy()
        try second.edit("model_index.json") { $0["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"] }
        #expect(second.refusal() == "model_index.json: text_encoder_2 (CLIPTextModelWithProjection) is not supported")
        let part = try ModelCopy()
        try part.edit("model_index.json") { $0["unet"] = ["diffusers", "UNet3DConditionModel"] }
        #expect(
            part.refusal() == "model_index.json: unet is UNet3DConditionModel; supported is UNet2DConditionModel")
        for (file, key, name) in [
            ("unet/config.json", "_class_name", "UNet2DConditionModel"),
            ("text_encoder/config.json", "architectures", "CLIPTextModel"),
        ] {
            let copy = try ModelCopy()
            try copy.edit(file) { $0[key] = key == "architectures" ? ["T5EncoderModel"] as Any : "T5EncoderModel" }
            #expect(copy.refusal() == "\(file): T5EncoderModel is not supported here; \(name) is")
        }
        let alone = try ModelCopy()
        try alone.remove("model_index.json")
        _ = try LatentDiffusionModel(path: alone.folder)
    }

    @Test func randomDamage() throws {
        // Of headers: either the file is refused in one line or, where only text like metadata was hit, it is read.
        var random = SystemRandomNumberGenerator()
        let copy = try ModelCopy()
        let original = try Data(contentsOf: URL(fileURLWithPath: copy.path(unet)))
        let length = Int(original[0]) | Int(original[1]) << 8 | Int(original[2]) << 16
        for _ in 0..<60 {
            var bytes = original
            for _ in 0..<3 {
                bytes[Int.random(in: 0..<8 + length, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            try bytes.write(to: URL(fileURLWithPath: copy.path(unet)))
            let message = copy.refusal()
            #expect(message.hasPrefix(unet) || message == "nothing was thrown", "\(message)")
        }
    }
}
