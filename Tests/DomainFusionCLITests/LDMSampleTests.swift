import Foundation
import Pixels
import Testing
import Torch

/// `domainfusion ldm sample` on the tiny model of the diffusion tests.
struct LDMSampleTests {
    /// Tests/DiffusionTests/Fixtures/sd1 of this repository.
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DiffusionTests/Fixtures/sd1").path

    private func sample(_ program: Program, _ arguments: String...) throws -> ProgramResult {
        try program.run(["ldm", "sample", "--model", model, "--prompt", "a photo of a dog", "--steps", "4"] + arguments)
    }

    @Test func latentsMakeTheSameImageAgain() throws {
        let program = try Program()
        let first = try sample(program, "--seed", "3", "--save-latents", "kept.safetensors", "--output", "a.png")
        #expect(first.status == 0, "\(first.errors)")
        #expect(first.output.hasPrefix("a.png: 1 image of 16×16 in "))
        let again = try sample(program, "--latents", "kept.safetensors", "--output", "b.png")
        #expect(again.status == 0, "\(again.errors)")
        #expect(program.contents("a.png") == program.contents("b.png"))
        let state = try StateDict(safetensors: "\(program.folder)/kept.safetensors")
        #expect(state["noise"]?.scalars(Float.self) == Tensor.randn([1, 4, 8, 8], generator: Generator(seed: 3)).scalars())
        #expect(state["latents"]?.shape == [1, 4, 8, 8])
    }

    @Test func imagesOfAnySizeAreVaried() throws {
        let program = try Program()
        try program.write(PNG.encode(RGBImage(width: 50, height: 31, fill: RGB(200, 30, 30))), to: "wide.png")
        let result = try sample(
            program, "--image", "wide.png", "--strength", "0.5", "--guidance", "1", "--count", "3", "--output", "c.png")
        #expect(result.status == 0, "\(result.errors)")
        let sheet = try ImageFile.decode("\(program.folder)/c.png")
        #expect(sheet.width == 34 && sheet.height == 34)
    }

    @Test func mistakesAreToldInOneLine() throws {
        let program = try Program()
        try program.write("no image", to: "text.png")
        try program.write("no tensors", to: "text.safetensors")
        for (arguments, part) in [
            (["--image", "text.png"], "text.png"), (["--image", "none.png"], "none.png"),
            (["--latents", "text.safetensors"], "text.safetensors"),
            (["--image", "text.png", "--strength", "0.1"], "choose a strength of at least 0.25"),
            (["--model", "nowhere"], "nowhere: no such model"), (["--output", "x.jpg"], "x.jpg"),
            (["--steps", "2000"], "1 to 1000"), (["--output", "no/folder/x.png"], "no/folder/x.png"),
        ] {
            let result = try program.run(
                ["ldm", "sample", "--model", model, "--prompt", "art", "--steps", "4", "--output", "x.png"] + arguments)
            #expect(result.isPlainError, "\(arguments): \(result.errors)")
            #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
            #expect(!program.exists("x.png"))
        }
    }
}
