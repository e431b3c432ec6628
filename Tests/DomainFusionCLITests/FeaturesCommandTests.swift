import DomainGeneralization
import Foundation
import Foundations
import Testing

struct FeaturesCommandTests {
    let program: Program
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DiffusionTests/Fixtures/sd1").path

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    @Test func reportsBlocksAndFillsTheStore() throws {
        let arguments = [
            "features", "report", "--data", "set", "--test-domain", "c", "--ldm", model, "--times", "50, 450",
        ]
        let result = try program.run(arguments)
        #expect(result.status == 0, "\(result.errors)")
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(
            lines[0].split(separator: " ").map(String.init) == ["block", "time", "inside", "a", "b", "mean", "outside"])
        let data = try #require(program.contents("features-report.json"))
        let report = try #require(JSONValue(json: data))
        let rows = try #require(report["rows"]?.array)
        let blocks = try #require(rows.compactMap { $0["block"]?.string } as [String]?)
        #expect(Set(blocks).isSuperset(of: ["down0", "mid", "up0"]) && rows.count == 2 * Set(blocks).count)
        #expect(report["domains"] == ["a", "b"] && lines.count == rows.count + 3)
        #expect(program.contents("features-report.png") != nil)
        // All is in the store: again without the model, and a run's features of those times, too.
        let again = try program.run(arguments)
        #expect(
            again.output.contains(" 0 new U-Net evaluations") && !result.output.contains(" 0 new U-Net evaluations"))
        let computed = try program("features", "compute", "--data", "set", "--ldm", model, "--times", "50,450")
        #expect(computed.status == 0 && computed.output.hasPrefix("store: features of "), "\(computed.errors)")
    }

    @Test func fusesFinishedRuns() throws {
        let run = try program.run([
            "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32", "--batch-size",
            "2",
            "--steps", "2", "--evaluate-every", "2", "--run-dir", "erm",
        ])
        #expect(run.status == 0, "\(run.errors)")
        let arguments = [
            "features", "fuse", "erm", "--ldm", model, "--times", "50", "--control", "none", "--control", "random-unet",
            "--weights", "0.5, 1",
        ]
        let result = try program.run(arguments)
        #expect(result.status == 0, "\(result.errors)")
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines[0].hasPrefix("method") && lines[0].contains("λ 0.5"))
        #expect(lines.count { $0.hasPrefix("ERM") } == 2, "\(result.output)")
        #expect(try program.run(arguments).output == result.output)
        #expect(try program.run(arguments + ["--penalty", "1"]).isPlainError)
        #expect(try program.run(["features", "fuse", "none", "--ldm", model]).isPlainError)
        #expect(try program.run(["features", "fuse", "erm", "--ldm", model, "--weights", "x"]).status == 64)
    }

    @Test func mistakesAreOneLine() throws {
        for (arguments, part) in [
            (["--times", "50,x"], "--times"), (["--times", "5000"], "5000 is not below"), (["--data", "none"], "none"),
            (["--test-domain", "a,b"], "two domains"), (["--test-domain", "z"], "no domain 'z'"),
            (["--output", "x.txt"], ".json"),
        ] {
            let result = try program.run(["features", "report", "--data", "set", "--ldm", model] + arguments)
            #expect(result.isPlainError, "\(arguments): \(result.errors)")
            #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
        }
        let block = try program.run(["features", "compute", "--data", "set", "--ldm", model, "--block", "up7"])
        #expect(block.isPlainError && block.errors.contains("up7"), "\(block.errors)")
    }

    @Test func theModelClassifies() throws {
        let arguments = [
            "ldm", "classify", "--data", "set", "--test-domain", "c", "--ldm", model, "--draws", "4", "--images", "12",
            "--eliminate", "2:1", "--parts", "2", "--prompt", "a {class}",
        ]
        let result = try program.run(arguments)
        #expect(result.status == 0, "\(result.errors)")
        let report = try #require(program.contents("classify-report.json").flatMap { JSONValue(json: $0) })
        #expect(report["rows"]?.array?.count == 8 && report["weights"]?["l1"]?.array?.count == 2)
        #expect(result.output.contains("l2, fitted times, early elimination"))
        #expect(try program.run(arguments).output.contains("; 0 new U-Net evaluations"))
        let wrong = try program.run(arguments + ["--eliminate", "4"])
        #expect(wrong.isPlainError && wrong.errors.contains("says no elimination"), "\(wrong.errors)")
    }
}
