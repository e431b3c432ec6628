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
        try program.run(
            ["ldm", "sample", "--ldm", model, "--prompt", "a photo of a dog", "--steps", "4"] + arguments)
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
        #expect(
            state["noise"]?.scalars(Float.self) == Tensor.randn([1, 4, 8, 8], generator: Generator(seed: 3)).scalars())
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

    @Test func promptsAreRowsAndSchedulersAreChosen() throws {
        let program = try Program()
        let result = try sample(
            program, "--prompt", "art", "--count", "3", "--scheduler", "euler", "--guidance-rescale", "0.7",
            "--negative-prompt", "a cartoon", "--preview-every", "3", "--output", "rows.png")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.hasPrefix("rows.png: 6 images of 16×16 in "))
        for name in ["rows.png", "rows.preview.png"] {
            let sheet = try ImageFile.decode("\(program.folder)/\(name)")
            #expect(sheet.width == 52 && sheet.height == 34, "\(name)")
        }
        var images: Set<Data> = []
        for scheduler in ["ddim", "ddpm", "pndm", "euler", "euler-ancestral", "dpm++", "unipc", "lcm"] {
            let result = try sample(program, "--scheduler", scheduler, "--output", "\(scheduler).png")
            #expect(result.status == 0, "\(result.errors)")
            images.insert(try #require(program.contents("\(scheduler).png")))
        }
        // Euler's ancestral step over the noise level is DDPM's; all others differ.
        #expect(images.count == 7)
        #expect(program.contents("euler-ancestral.png") == program.contents("ddpm.png"))
        let named = try sample(program, "--scheduler", "UniPCMultistepScheduler", "--output", "named.png")
        #expect(named.status == 0, "\(named.errors)")
        #expect(program.contents("named.png") == program.contents("unipc.png"))
        #expect(!program.exists("named.preview.png"))
    }

    @Test func whatIsCutOffIsTold() throws {
        let program = try Program()
        let long = String(repeating: "a ", count: 80) + "Lion!"
        let result = try program.run([
            "ldm", "sample", "--ldm", model, "--prompt", long, "--steps", "1", "--output", "a.png",
        ])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("warning: the prompt is longer than 77 tokens"))
        #expect(result.errors.contains("\"a a a a a lion !\""), "\(result.errors)")
    }

    @Test func mistakesAreToldInOneLine() throws {
        let program = try Program()
        try program.write("no image", to: "text.png")
        try program.write("no tensors", to: "text.safetensors")
        var broken = StateDict()
        broken["noise"] = Tensor.ones([1, 4, 8, 8]) * Double.nan
        try broken.write(safetensors: "\(program.folder)/nan.safetensors")
        for (arguments, part) in [
            (["--image", "text.png"], "text.png"), (["--image", "none.png"], "none.png"),
            (["--latents", "text.safetensors"], "text.safetensors"),
            (["--latents", "nan.safetensors"], "nan.safetensors: the noise in it holds infinite values or NaN"),
            (["--image", "text.png", "--strength", "0.1"], "choose a strength of at least 0.25"),
            (["--ldm", "nowhere"], "nowhere: no such model"), (["--output", "x.jpg"], "x.jpg"),
            (["--steps", "2000"], "1 to 1000"), (["--scheduler", "heun"], "euler-ancestral"),
            (["--guidance-rescale", "2"], "--guidance-rescale: 2.0 is not in 0...1"),
            (["--preview-every", "0"], "0 is not in 1..."),
            (["--scheduler", "unipc", "--eta", "0.5"], "eta is a setting of DDIMScheduler"),
            (["--scheduler", "lcm", "--steps", "60"], "LCMScheduler takes 1 to 50"), (["--count", "0"], "--count"),
            (["--output", "no/folder/x.png"], "no/folder/x.png"),
        ] {
            let result = try program.run(
                ["ldm", "sample", "--ldm", model, "--prompt", "art", "--steps", "4", "--output", "x.png"] + arguments)
            #expect(result.isPlainError, "\(arguments): \(result.errors)")
            #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
            #expect(!program.exists("x.png"))
        }
    }
}
