import Foundation
import Pixels
import Testing
import Torch

/// `domainfusion ldm invert` and `ldm edit` on the tiny model of the diffusion tests.
struct LDMInvertTests {
    private let program: Program
    /// Tests/DiffusionTests/Fixtures/sd1 of this repository.
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DiffusionTests/Fixtures/sd1").path

    init() throws {
        program = try Program()
        try program.write(Program.png(seed: 1), to: "one.png")
        try program.write(PNG.encode(RGBImage(width: 50, height: 31, fill: RGB(200, 30, 30))), to: "in/wide.png")
    }

    private func invert(_ arguments: String...) throws -> ProgramResult {
        try program.run(["ldm", "invert", "--ldm", model, "--prompt", "a photo of a dog", "--steps", "4"] + arguments)
    }

    private func edit(_ arguments: String...) throws -> ProgramResult {
        try program.run(["ldm", "edit", "--ldm", model, "--steps", "4"] + arguments)
    }

    @Test func noiseMakesTheSameImageAgain() throws {
        let result = try invert("one.png", "-o", "new/out")
        #expect(result.status == 0, "\(result.errors)")
        let numbers = result.output.split { !"0123456789.".contains($0) }.compactMap { Double($0) }
        #expect(result.output.hasPrefix("new/out/one.png: PSNR ") && numbers.count == 2, "\(result.output)")
        let state = try StateDict(safetensors: "\(program.folder)/new/out/one.safetensors")
        #expect(state.names.sorted() == ["latents", "noise"])
        #expect(state["noise"]?.shape == [1, 4, 8, 8] && state["latents"]?.shape == [1, 4, 8, 8])

        // What is told is of what is written, but for the rounding of pixels.
        let image = try ImageFile.decode("\(program.folder)/new/out/one.png")
        #expect(image.width == 16 && image.height == 16)
        let source = try ImageFile.decode("\(program.folder)/one.png").resizedCrop(
            CropBox(x: 0, y: 0, width: 40, height: 40), width: 16, height: 16)
        let errors = zip(image.pixels, source.pixels).map { (Double($0) - Double($1)) / 255 }
        let mean = errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)
        #expect(abs(-10 * log10(mean) - numbers[0]) < 0.1, "\(mean) \(numbers)")

        let again = try program.run([
            "ldm", "sample", "--ldm", model, "--prompt", "a photo of a dog", "--steps", "4", "--guidance", "1",
            "--scheduler", "ddim", "--latents", "new/out/one.safetensors", "--output", "again.png",
        ])
        #expect(again.status == 0, "\(again.errors)")
        #expect(program.contents("again.png") == program.contents("new/out/one.png"))
    }

    @Test func moreStepsLoseLess() throws {
        func quality(_ arguments: String...) throws -> Double {
            let result = try program.run(
                ["ldm", "invert", "one.png", "--ldm", model, "-o", "out"] + arguments)
            #expect(result.status == 0, "\(result.errors)")
            return try #require(result.output.split { !"0123456789.".contains($0) }.compactMap { Double($0) }.first)
        }
        #expect(try quality("--steps", "2") < quality("--steps", "100"))
        // Guidance counts, and the prompt.
        let all = try [["1", "art"], ["1", "a dog"], ["4", "a dog"]].map {
            _ = try quality("--steps", "4", "--guidance", $0[0], "--prompt", $0[1])
            return try #require(program.contents("out/one.png"))
        }
        #expect(Set(all).count == 3)
    }

    @Test func imagesAreEdited() throws {
        let result = try edit(
            "one.png", "in/wide.png", "--prompt", "a dog", "--to", "art", "--guidance", "3", "-o", "out")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.hasPrefix("out: 2 images in "), "\(result.output)")
        let first = try #require(program.contents("out/one.png"))
        let wide = try ImageFile.decode("\(program.folder)/out/wide.png")
        #expect(wide.width == 16 && wide.height == 16)
        // No noise is drawn, and each option counts.
        var images: Set<Data> = [first]
        for options in [
            ["--to", "art"], ["--to", "a cartoon"], ["--to", "art", "--prompt", "art"],
            ["--to", "art", "--guidance", "5"],
            ["--to", "art", "--strength", "1"], ["--to", "art", "--negative-prompt", "a cartoon"],
        ] {
            let result = try program.run(
                ["ldm", "edit", "one.png", "in/wide.png", "--ldm", model, "--steps", "4", "-o", "more"]
                    + (options.contains("--prompt") ? [] : ["--prompt", "a dog"])
                    + (options.contains("--guidance") ? [] : ["--guidance", "3"]) + options)
            #expect(result.status == 0, "\(result.errors)")
            images.insert(try #require(program.contents("more/one.png")))
        }
        #expect(images.count == 6)
    }

    @Test func mistakesAreToldInOneLine() throws {
        try program.write("no image", to: "text.png")
        try program.write(Program.png(seed: 2), to: "in/one.jpg")
        try program.write("a file", to: "file")
        for (arguments, part) in [
            (["text.png", "-o", "out"], "text.png"), (["one.png", "none.png", "-o", "out"], "none.png"),
            (["one.png", "-o", "."], "one.png: an image that its result would replace; choose another --output"),
            (["in/wide.png", "-o", "../\(program.folder.split(separator: "/").last ?? "")/in"], "would replace"),
            (
                ["one.png", "in/one.jpg", "-o", "out"],
                "one.png and in/one.jpg: out/one.png would be the result of both"
            ),
            (["one.png", "-o", "file"], "file"),
            (["one.png", "-o", "out", "--ldm", "nowhere"], "nowhere: no such model"),
            (["one.png", "-o", "out", "--steps", "2000"], "1 to 1000"),
            (["one.png", "-o", "out", "--steps", "0"], "--steps"),
            (["one.png", "-o", "out", "--guidance=-1"], "--guidance: -1.0 is not 0 or more"),
        ] {
            for command in [["invert"], ["edit", "--to", "art"]] {
                let result = try program.run(["ldm"] + command + ["--ldm", model, "--steps", "4"] + arguments)
                #expect(result.isPlainError, "\(command) \(arguments): \(result.errors)")
                #expect(result.errors.contains(part), "\(command) \(arguments): \(result.errors)")
                #expect(!program.exists("out/one.png"))
            }
        }
        let short = try edit("one.png", "--to", "art", "--strength", "0.1", "-o", "out")
        #expect(short.isPlainError && short.errors.contains("choose a strength of at least 0.25"), "\(short.errors)")
        #expect(program.contents("one.png") == Data(try Program.png(seed: 1)))
    }
}
