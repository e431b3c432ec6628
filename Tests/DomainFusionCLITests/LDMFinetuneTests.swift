import Foundation
import Foundations
import Pixels
import Testing
import Torch

/// `domainfusion ldm finetune` on the tiny model of the diffusion tests.
struct LDMFinetuneTests {
    /// Tests/DiffusionTests/Fixtures/sd1 of this repository.
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DiffusionTests/Fixtures/sd1").path

    private func finetune(
        _ program: Program, _ output: String, _ arguments: [String], end: ((Process) throws -> Void)? = nil
    ) throws -> ProgramResult {
        try program.run(
            [
                "ldm", "finetune", "--ldm", model, "--data", "foxes", "--output", output, "--log-every", "1",
                "--threads", "1",
            ]
                + arguments,
            end: end)
    }

    private func sample(_ program: Program, _ arguments: [String]) throws -> Data {
        let result = try program.run(
            ["ldm", "sample", "--prompt", "a photo of a dog", "--steps", "3", "--output", "x.png"] + arguments)
        #expect(result.status == 0, "\(result.errors)")
        return try #require(program.contents("x.png"))
    }

    private func makeImages(_ program: Program) throws {
        for index in 0..<3 {
            try program.write(Program.png(seed: index), to: "foxes/\(index).png")
            try program.write("a photo of fox \(index)", to: "foxes/\(index).txt")
        }
    }

    private let lora = ["--lora-rank", "4", "--learning-rate", "0.05", "--train-text-encoder"]

    @Test func adaptersAreTrainedUsedAndMerged() throws {
        let program = try Program()
        try makeImages(program)
        let result = try finetune(
            program, "fox", lora + ["--steps", "3", "--batch-size", "2", "--gradient-checkpointing"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.hasSuffix("fox/pytorch_lora_weights.safetensors: written\n"))
        #expect(result.output.contains("3 images, "))
        let log = String(decoding: program.contents("fox/training/log.jsonl") ?? Data(), as: UTF8.self)
        #expect(log.split(separator: "\n").count == 3 && log.contains("\"learning_rate\": 0.05"))

        let plain = try sample(program, ["--ldm", model])
        let changed = try sample(program, ["--ldm", model, "--lora", "fox"])
        #expect(plain != changed)
        #expect(try sample(program, ["--ldm", model, "--lora", "fox", "--lora-scale", "0"]) == plain)
        let merged = try program.run(["ldm", "merge", "--ldm", model, "--lora", "fox", "--output", "merged"])
        #expect(merged.status == 0, "\(merged.errors)")
        #expect(try sample(program, ["--ldm", "merged"]) == changed)
        // The merged model tells of what the adapters learned from.
        let record = try #require(program.contents("fox/fine_tuning.json").flatMap { JSONValue(json: $0) })
        #expect(record["steps"]?.int == 3 && record["images"]?.int == 3 && record["domains"] == [])
        #expect(record["data"]?.string == "foxes" && record["seconds"]?.double ?? 0 > 0)
        #expect(program.contents("merged/fine_tuning.json").flatMap { JSONValue(json: $0) } == record)
    }

    @Test func theSameCommandGoesOn() throws {
        let program = try Program()
        try makeImages(program)
        let result = try finetune(program, "whole", lora + ["--steps", "4"])
        #expect(result.status == 0, "\(result.errors)")
        for steps in ["2", "4"] {
            let result = try finetune(program, "parts", lora + ["--steps", steps])
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output.contains("going on from step 2") == (steps == "4"))
        }
        let name = "pytorch_lora_weights.safetensors"
        #expect(program.contents("whole/\(name)") == program.contents("parts/\(name)"))
        // With other settings it would be another training.
        let other = try finetune(program, "parts", ["--lora-rank", "8", "--steps", "4"])
        #expect(other.isPlainError)
        #expect(other.errors.contains("parts/training: the training there has other settings ("), "\(other.errors)")
    }

    @Test func aSignalSavesTheState() throws {
        let program = try Program()
        try makeImages(program)
        let folder = program.folder
        let stopped = try finetune(program, "fox", lora + ["--steps", "100000"]) { process in
            let log = "\(folder)/fox/training/log.jsonl"
            for _ in 0..<600 where !FileManager.default.fileExists(atPath: log) { usleep(100_000) }
            process.terminate()
        }
        #expect(stopped.status == 143, "\(stopped.status) \(stopped.errors)")
        #expect(stopped.errors.contains("terminated"))
        let checkpoints = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/fox/training/checkpoint")
        let step = try #require(checkpoints.compactMap { Int($0.dropFirst("step-".count)) }.max())
        #expect(step > 0)
        let resumed = try finetune(program, "fox", lora + ["--steps", "\(step + 1)"])
        #expect(resumed.status == 0, "\(resumed.errors)")
        #expect(resumed.output.contains("going on from step \(step)"))
        let whole = try finetune(program, "whole", lora + ["--steps", "\(step + 1)"])
        #expect(whole.status == 0, "\(whole.errors)")
        let name = "pytorch_lora_weights.safetensors"
        #expect(program.contents("whole/\(name)") == program.contents("fox/\(name)"))
    }

    @Test func theWholeUNetOnADataset() throws {
        let program = try Program()
        try program.makeDataset()
        let result = try program.run([
            "ldm", "finetune", "--ldm", model, "--data", "set", "--domains", "a,b", "--prompt", "a {domain} {class}",
            "--steps", "3", "--learning-rate", "0.01", "--schedule", "cosine", "--warmup", "1", "--snr-gamma", "5",
            "--ema-decay", "0.9", "--crop", "random", "--flip", "--resolution", "32", "--accumulation", "2",
            "--threads", "1", "--output", "tuned",
        ])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("16 images, ") && result.output.hasSuffix("tuned: written\n"))
        #expect(program.exists("tuned/model_index.json") && program.exists("tuned/tokenizer/vocab.json"))
        #expect(try sample(program, ["--ldm", "tuned"]) != sample(program, ["--ldm", model]))
    }

    @Test func mistakesAreToldInOneLine() throws {
        let program = try Program()
        try makeImages(program)
        try program.write("no tensors", to: "text.safetensors")
        try program.write("no image", to: "broken/1.png")
        try program.write("a fox", to: "broken/1.txt")
        try program.write(Program.png(seed: 1), to: "lacking/1.png")
        for (arguments, part) in [
            (["--data", "nowhere"], "nowhere: no such folder"), (["--data", "broken"], "broken/1.png"),
            (["--data", "lacking"], "lacking/1.png: has no caption"),
            (["--ldm", "nowhere"], "nowhere: no such model"),
            (["--lora-rank", "0"], "--lora-rank"), (["--lora-alpha", "3"], "--lora-alpha goes with --lora-rank"),
            (["--resolution", "17"], "a resolution of 17 pixels: choose a multiple of 2"),
            (["--precision", "float16"], "float16 is too narrow"), (["--learning-rate", "0"], "learning rate"),
            (["--steps", "0"], "0 steps"), (["--schedule", "wavy"], "wavy"), (["--ema-decay", "1"], "averaging decay"),
            (["--prompt", "{class}"], "has captions of its own"), (["--caption-dropout", "2"], "empty captions"),
        ] {
            let result = try finetune(program, "out", ["--steps", "1"] + arguments)
            #expect(result.isPlainError, "\(arguments): \(result.errors)")
            #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
            #expect(!program.exists("out/model_index.json"))
        }
        for (arguments, part) in [
            (["--lora", "text.safetensors"], "text.safetensors"), (["--lora", "none"], "none"),
            (["--lora-scale", "nan", "--lora", "x"], "--lora-scale"),
        ] {
            let result = try program.run(
                ["ldm", "sample", "--ldm", model, "--prompt", "a", "--output", "x.png"] + arguments)
            #expect(result.isPlainError, "\(arguments): \(result.errors)")
            #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
        }
    }
}
