import Foundation
import Pixels
import Testing

struct AugmentCommandTests {
    let program: Program
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../DiffusionTests/Fixtures/sd1").standardized.path

    init() throws {
        program = try Program()
        try program.write(Program.png(seed: 1), to: "one.png")
        try program.write(Program.png(seed: 2), to: "two.png")
    }

    private func augment(_ images: [String], _ options: String...) throws -> ProgramResult {
        try program.run(
            ["augment"] + images + ["--label", "lion", "--ldm", model, "--steps", "2", "--strength", "0.5"] + options)
    }

    @Test func drawsAPicture() throws {
        let result = try augment(["one.png", "two.png"], "--candidates", "2", "--rounds", "2", "--output", "out.png")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.hasPrefix("out.png: 8 of 8 candidates made"))
        let sheet = try ImageFile.decode("\(program.folder)/out.png")
        #expect(sheet.width > 6 * 96 && sheet.height > 4 * 96)
        let before = program.contents("out.png")

        let again = try augment(["one.png", "two.png"], "--candidates", "2", "--rounds", "2", "--output", "out.png")
        #expect(again.output.hasPrefix("out.png: 0 of 8 candidates made"))
        #expect(program.contents("out.png") == before)
    }

    /// Candidates by inversion draw no noise: with another seed they are those in the store.
    @Test func invertsWhereItIsAsked() throws {
        func made(_ options: String...) throws -> String {
            let result = try program.run(
                [
                    "augment", "one.png", "two.png", "--label", "lion", "--ldm", model, "--steps", "2", "--strength",
                    "0.5",
                ]
                    + ["--prompt", "{a class}", "--prompt", "the art of {a class}", "--candidates", "2"] + options
                    + ["--output", "out.png"])
            #expect(result.status == 0, "\(result.errors)")
            return result.output.split(separator: ",").first.map(String.init) ?? ""
        }
        #expect(try made("--generator", "inversion") == "out.png: 4 of 4 candidates made")
        #expect(try made("--generator", "inversion", "--seed", "3") == "out.png: 0 of 4 candidates made")
        #expect(try made() == "out.png: 4 of 4 candidates made")
        let equal = try augment(["one.png"], "--candidates", "2", "--generator", "inversion")
        #expect(equal.isPlainError && equal.errors.contains("augment.candidates: must be at most 1"), "\(equal.errors)")
        #expect(try augment(["one.png"], "--generator", "diffusion").isPlainError)
    }

    @Test func everyCompositionDraws() throws {
        for (options, chosen) in [
            (["--composition", "candidate"], 0), (["--composition", "candidate", "--content-threshold", "1"], 2),
            (["--composition", "injection"], 2), (["--composition", "fourier", "--amplitudes", "sources"], 2),
            (["--composition", "fourier", "--amplitudes", "noise", "--content-pool", "candidates"], 0),
            (["--composition", "latent", "--content-similarity", "edges"], 2),
        ] {
            let result = try program.run(
                [
                    "augment", "one.png", "two.png", "--label", "lion", "--ldm", model, "--steps", "2", "--strength",
                    "0.5",
                ]
                    + ["--candidates", "2", "--output", "out.png"] + options)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output.contains("the image's own content chosen for \(chosen) of 2"), "\(options)")
        }
        #expect(try augment(["one.png"], "--composition", "fourier", "--amplitudes", "sources").isPlainError)
    }

    @Test func mistakesAreOneLine() throws {
        try program.write("no image", to: "text.png")
        #expect(try augment(["text.png"]).isPlainError)
        #expect(try augment(["one.png", "missing.png"]).isPlainError)
        #expect(try augment(["one.png"], "--candidates", "0").isPlainError)
        #expect(try augment(["one.png"], "--strength", "0").isPlainError)
        #expect(try augment(["one.png"], "--prompt", "an emoji").isPlainError)
        #expect(try augment(["one.png"], "--ldm", "none").isPlainError)
        #expect(try augment(["one.png"], "--output", "none/out.png").isPlainError)
        #expect(try augment(["one.png"], "--composition", "wavelet").isPlainError)
    }
}
