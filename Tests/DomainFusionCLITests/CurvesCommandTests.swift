import DomainGeneralization
import Foundation
import Foundations
import Testing

struct CurvesCommandTests {
    let program: Program
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DiffusionTests/Fixtures/sd1").path

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    @Test func drawsCurvesWithoutASubcommand() throws {
        let result = try program(
            "curves", "set/a/cat/0.png", "--label", "cat", "--wrong", "dog", "--ldm", model, "--nodes", "3", "--draws",
            "2", "--guidance", "1")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.hasPrefix("curves.png and curves.json: 2 curves, 12 new U-Net evaluations"))
    }

    @Test func reportsRightAgainstWrongPrompts() throws {
        let result = try program(
            "curves", "report", "--data", "set", "--domains", "a,c", "--images", "6", "--ldm", model, "--nodes", "3",
            "--draws", "4", "--points", "0.2,0.7", "--guidance", "1, 7.5", "--threads", "1")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.hasPrefix("set: 6 images, 4 draws, 288 U-Net evaluations"))
        #expect(result.output.contains("\nguidance 7.5\n"))
        let data = try #require(program.contents("curves-report.json"))
        let report = try JSONDecoder().decode(JSONValue.self, from: data)
        let images = try #require(report["images"]?.array)
        #expect(Set(images.compactMap { $0["image"]?.string?.prefix(1) }) == ["a", "c"])
        #expect(report["guidance"]?.array?.count == 2)
        #expect(report["guidance"]?.array?[1]["rows"]?.array?[1]["confidence"]?.double == 0.7)
    }

    @Test func mistakesAreOneLine() throws {
        for (arguments, part) in [
            (["--guidance", "1,x"], "--guidance"), (["--points", "2"], "points"), (["--draws", "3"], "even"),
            (["--domains", "z"], "no domain 'z'"), (["--data", "none"], "none"), (["--ldm", "none"], "none"),
        ] {
            let result = try program.run(["curves", "report", "--data", "set", "--ldm", model] + arguments)
            #expect(result.isPlainError, "\(arguments): \(result.errors)")
            #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
        }
    }
}
