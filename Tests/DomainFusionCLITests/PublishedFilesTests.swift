import Foundation
import Testing
import Torch

/// Files as people publish and share them, given to the program: told by what is in them, not by their names.
@Suite(.serialized)
struct PublishedFilesTests {
    private let program: Program
    /// Tests/DiffusionTests/Fixtures of this repository.
    private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DiffusionTests/Fixtures").path

    init() throws { program = try Program() }

    private func sample(_ model: String, _ arguments: String...) throws -> ProgramResult {
        try program.run(
            ["ldm", "sample", "--ldm", model, "--prompt", "a dog", "--steps", "2", "--output", "x.png"] + arguments)
    }

    private func image(_ model: String, _ arguments: String...) throws -> Data {
        let result = try program.run(
            ["ldm", "sample", "--ldm", model, "--prompt", "a dog", "--steps", "2", "--output", "x.png"] + arguments)
        #expect(result.status == 0, "\(result.errors)")
        return try #require(program.contents("x.png"))
    }

    private func refused(_ result: ProgramResult, _ parts: String..., location: SourceLocation = #_sourceLocation) {
        #expect(result.isPlainError, "\(result.errors)", sourceLocation: location)
        for part in parts { #expect(result.errors.contains(part), "\(result.errors)", sourceLocation: location) }
    }

    /// One file of Stable Diffusion wherever a model is taken, also under a name that the hub might have.
    @Test func stableDiffusionInOneFile() throws {
        let target = "\(program.folder)/org"
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: "\(fixtures)/single/sd1.ckpt", toPath: "\(target)/model")
        try FileManager.default.copyItem(atPath: "\(fixtures)/single/sd1.ckpt", toPath: "\(target)/named.ckpt")
        try FileManager.default.copyItem(atPath: "\(fixtures)/sd1", toPath: "\(target)/named")
        let first = try image("org/named.ckpt")
        #expect(try image("org/named.ckpt") == first)
        // The settings of Stable Diffusion 1.5 do not fit the tiny model: it was read as a file, and the hub not asked.
        let result = try sample("org/model")
        #expect(!result.errors.contains("Hugging Face"), "\(result.errors)")
        #expect(result.isPlainError && result.errors.contains("org/model"), "\(result.errors)")
        // Merged and written as a folder, it makes the same.
        let merged = try program(
            "ldm", "merge", "--ldm", "org/named.ckpt", "--lora", "\(fixtures)/lora", "--lora-scale", "0", "--output",
            "merged")
        #expect(merged.status == 0, "\(merged.errors)")
        #expect(try image("merged") == first)
        refused(try sample("org/absent.safetensors"), "org/absent.safetensors: no such model")
        refused(try sample("\(fixtures)/lora/kohya.safetensors"), "adapters (LoRA), not a model", "--lora")
    }

    @Test func severalAdapters() throws {
        let (model, one, two) = ("\(fixtures)/sd1", "\(fixtures)/lora", "\(fixtures)/lora/second.safetensors")
        let plain = try image(model)
        let (first, second) = (try image(model, "--lora", one), try image(model, "--lora", two))
        let both = try image(model, "--lora", one, "--lora", two)
        #expect(Set([plain, first, second, both]).count == 4)
        #expect(try image(model, "--lora", one, "--lora", two, "--lora-scale", "1", "--lora-scale", "0") == first)
        #expect(try image(model, "--lora", one, "--lora", two, "--lora-scale", "0", "--lora-scale", "1") == second)
        #expect(try image(model, "--lora", one, "--lora-scale", "-0.5") != first)
        refused(
            try sample(model, "--lora", one, "--lora", two, "--lora-scale", "0.5"), "--lora-scale: 1 for 2 --lora")
        refused(try sample(model, "--lora-scale", "0.5"), "--lora-scale goes with --lora")
        var loha = StateDict()
        loha["lora_unet_mid_block_attentions_0_proj_in.alpha"] = .ones([1])
        loha["lora_unet_mid_block_attentions_0_proj_in.hada_w1_a"] = .ones([4, 2])
        try loha.write(safetensors: "\(program.folder)/loha.safetensors")
        refused(try sample(model, "--lora", "loha.safetensors"), "loha.safetensors: a LoHa (LyCORIS)")
    }

    @Test func weightsByTheirContent() throws {
        try program.makeDataset()
        func train(_ weights: String, _ more: String...) throws -> ProgramResult {
            try program.run(
                [
                    "train", "--data", "set", "--test-domain", "c", "--image-size", "32", "--batch-size", "2",
                    "--steps", "1", "--threads", "1", "--backbone", "tf_efficientnet_lite0", "--weights", weights,
                ] + more)
        }
        #expect(try train("none", "--run-dir", "first").status == 0)
        let state = try StateDict(safetensors: "\(program.folder)/first/checkpoint/step-1/model.safetensors")
        let path = "\(program.folder)/checkpoint.pth.tar"
        try state.renamed { "module.\($0)" }.write(safetensors: path)
        let result = try train("checkpoint.pth.tar", "--run-dir", "second")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("checkpoint.pth.tar: read without the prefix 'module.' of its keys"))
        // Weights under another name begin the same training.
        try state.write(safetensors: "\(program.folder)/plain.ckpt")
        #expect(try train("plain.ckpt", "--run-dir", "third").status == 0)
        let models = ["second", "third"].map { program.contents("\($0)/checkpoint/step-1/model.safetensors") }
        #expect(models[0] != nil && models[0] == models[1])

        var damaged = state
        damaged["conv_head.weight"] = try #require(state["conv_head.weight"]) * .nan
        try damaged.write(safetensors: "\(program.folder)/nan.safetensors")
        refused(
            try train("nan.safetensors", "--run-dir", "x"),
            "nan.safetensors: conv_head.weight holds infinite values or NaN")
        try program.write("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", to: "lfs.pth")
        refused(try train("lfs.pth", "--run-dir", "x"), "lfs.pth: a Git LFS pointer, not the file itself of 9 bytes")
        try program.write("<!DOCTYPE html><html>", to: "page.safetensors")
        refused(try train("page.safetensors", "--run-dir", "x"), "page.safetensors: a web page")
        refused(try train("set", "--run-dir", "x"), "set")
    }
}
