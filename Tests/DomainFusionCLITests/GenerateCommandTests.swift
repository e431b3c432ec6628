import Foundation
import Foundations
import TestSupport
import Testing

/// Offline generation from the command line, and a run that trains on it.
struct GenerateCommandTests {
    private let program: Program
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../DiffusionTests/Fixtures/sd1").standardized.path

    init() throws {
        program = try Program()
        let folder = try TemporaryFolder()
        _ = try folder.makeDataset(count: 3)
        try FileManager.default.copyItem(atPath: folder.path("set"), toPath: "\(program.folder)/set")
    }

    private var options: [String] {
        [
            "generate", "--data", "set", "--ldm", model, "--steps", "2", "--strength", "0.5", "--prompt",
            "{style} of {a class}", "--style", "a=art", "--style", "b=ink", "--style", "c=chalk", "--batch-size", "4",
        ]
    }

    private func images(_ name: String) throws -> [String: Data] {
        var result: [String: Data] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: "\(program.folder)/\(name)")
        where path.hasSuffix(".png") || path.hasSuffix(".jsonl") { result[path] = program.contents("\(name)/\(path)") }
        return result
    }

    /// Killed again and again, then run to its end: the same bytes as at one go; then a run trains on it, and resumes.
    @Test func generatesAfterKills() throws {
        let whole = try program.run(options + ["--output", "whole"])
        #expect(whole.status == 0, "\(whole.errors)")
        #expect(whole.output.hasPrefix("whole: 54 images, 54 of them made"), "\(whole.output)")
        for delay in [0.3, 0.6] {
            _ = try program.run(options + ["--output", "killed", "--store", "other"]) { process in
                Thread.sleep(forTimeInterval: delay)
                kill(process.processIdentifier, SIGKILL)
            }
        }
        let last = try program.run(options + ["--output", "killed", "--store", "other"])
        #expect(last.status == 0, "\(last.errors)")
        let expected = try images("whole")
        #expect(expected.count == 54 + 2)
        #expect(try images("killed") == expected)

        let train = [
            "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32", "--batch-size",
            "2",
            "--steps", "2", "--evaluate-every", "2", "--run-dir",
        ]
        let run = try program.run(train + ["run", "--generated", "whole"])
        #expect(run.status == 0, "\(run.errors)")
        // Of 12 source images 10 are trained on, each in the styles of two domains.
        #expect(run.errors.contains("trains on 20 generated images"), "\(run.errors)")
        #expect(try program.run(train + ["run", "--generated", "whole"]).status == 0)
        let missing = try program.run(train + ["other", "--generated", "set"])
        #expect(missing.isPlainError && missing.errors.contains("no generated images here"), "\(missing.errors)")
    }

    @Test func mistakesAreNamed() throws {
        let style = try program.run(options + ["--output", "out", "--style", "d=oil"])
        #expect(style.isPlainError && style.errors.contains("no domain 'd'"), "\(style.errors)")
        #expect(try program.run(options + ["--output", "out", "--style", "oil"]).status == 64)
        let strength = try program.run(options + ["--output", "out", "--strength", "2"])
        #expect(strength.isPlainError && strength.errors.contains("strength"), "\(strength.errors)")
        try program.write(Data(), to: "file")
        #expect(try program.run(options + ["--output", "file"]).isPlainError)
    }
}
