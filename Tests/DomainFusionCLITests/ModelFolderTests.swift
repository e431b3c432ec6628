import Foundation
import Testing
import Torch

/// What commands say of model folders that are damaged, in another precision, or named by a hub's id.
struct ModelFolderTests {
    /// Tests/DiffusionTests/Fixtures/sd1 of this repository.
    private let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DiffusionTests/Fixtures/sd1").path
    private let unet = "model/unet/diffusion_pytorch_model.safetensors"

    private func sample(_ program: Program, _ model: String, _ more: String..., environment: [String: String] = [:])
        throws -> ProgramResult
    {
        try program.run(
            ["ldm", "sample", "--ldm", model, "--prompt", "art", "--steps", "2", "--output", "x.png"] + more,
            environment: environment)
    }

    /// A program whose folder holds the fixture as `model`.
    private func copied() throws -> Program {
        let program = try Program()
        try FileManager.default.copyItem(atPath: fixture, toPath: "\(program.folder)/model")
        return program
    }

    /// Damages the copy and compares what every command with a model says.
    private func expectRefusal(_ parts: String..., damage: (Program) throws -> Void) throws {
        let program = try copied()
        try damage(program)
        try program.write(Program.png(seed: 1), to: "a.png")
        for result in [
            try sample(program, "model"), try program("augment", "a.png", "--label", "cat", "--ldm", "model"),
            try program("curves", "a.png", "--label", "cat", "--ldm", "model"),
        ] {
            #expect(result.isPlainError, "\(result.errors)")
            for part in parts { #expect(result.errors.contains(part), "\(result.errors)") }
        }
    }

    @Test func truncatedWeights() throws {
        try expectRefusal("\(unet): not a valid safetensors file", "fetch") { program in
            let handle = try #require(FileHandle(forWritingAtPath: "\(program.folder)/\(unet)"))
            try handle.truncate(atOffset: 50_000)
        }
    }

    @Test func headerOf200Gigabytes() throws {
        try expectRefusal("\(unet): not a valid safetensors file: header of 200000000000 bytes") { program in
            try program.write(
                withUnsafeBytes(of: UInt64(200_000_000_000).littleEndian, Array.init) + [0x7B, 0x7D], to: unet)
        }
    }

    @Test func weightsThatAreNoNumbers() throws {
        try expectRefusal("\(unet): conv_in.bias holds infinite values or NaN; fetch the file again") { program in
            var state = try StateDict(safetensors: "\(program.folder)/\(unet)")
            state["conv_in.bias"] = .full([8], .nan)
            try state.write(safetensors: "\(program.folder)/\(unet)")
        }
    }

    @Test func shardOutsideTheFolder() throws {
        try expectRefusal("unet/diffusion_pytorch_model.safetensors.index.json", "refuses to open \"../../secret") {
            program in
            try FileManager.default.removeItem(atPath: "\(program.folder)/\(unet)")
            try program.write(
                "{\"weight_map\": {\"conv_in.bias\": \"../../secret.safetensors\"}}",
                to: "model/unet/diffusion_pytorch_model.safetensors.index.json")
        }
    }

    @Test func otherPipelines() throws {
        try expectRefusal("model/model_index.json: StableDiffusionXLPipeline is not supported") { program in
            try program.write("{\"_class_name\": \"StableDiffusionXLPipeline\"}", to: "model/model_index.json")
        }
    }

    @Test func precisionIsChosen() throws {
        let program = try copied()
        for precision in ["float32", "bfloat16", "float16"] {
            let result = try sample(program, "model", "--ldm-dtype", precision, "--output", "\(precision).png")
            let isRefused = precision == "bfloat16" && !Machine.hasBFloat16
            #expect(isRefused ? result.isPlainError : result.status == 0, "\(result.errors)")
        }
        #expect(program.contents("float32.png") != program.contents("bfloat16.png"))
        let unknown = try sample(program, "model", "--ldm-dtype", "int8")
        #expect(unknown.status != 0 && unknown.errors.contains("int8"), "\(unknown.errors)")
    }

    @Test func idsOfTheHubAreFoundInItsCache() throws {
        let program = try copied()
        let commit = String(repeating: "c0ffee", count: 6) + "0123"
        let repository = "\(program.folder)/hub/models--org--tiny"
        try FileManager.default.createDirectory(
            atPath: "\(repository)/snapshots", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: "\(repository)/snapshots/\(commit)", withDestinationPath: "../../../model")
        try program.write(commit, to: "hub/models--org--tiny/refs/main")
        let environment = ["HF_HUB_CACHE": "\(program.folder)/hub", "HF_HUB_OFFLINE": "1"]
        let found = try sample(program, "org/tiny", environment: environment)
        #expect(found.status == 0, "\(found.errors)")
        let missing = try sample(program, "org/tiny@v2", environment: environment)
        #expect(
            missing.isPlainError && missing.errors.contains("fetch it with 'domainfusion ldm download org/tiny@v2'"))
    }
}
