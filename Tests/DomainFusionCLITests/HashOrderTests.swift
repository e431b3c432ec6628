import Foundation
import Pixels
import Testing

/// The order of dictionaries and sets differs from process to process. Nothing that is printed or written may.
struct HashOrderTests {
    let program: Program

    init() throws {
        program = try Program()
        // Classes of different sizes, so that the shares of each that are found are added with rounding.
        var seed = 0
        for domain in ["a", "b", "c", "d"] {
            for label in 0..<7 {
                for index in 0..<(3 + (label * 5) % 7) {
                    seed += 1
                    try program.write(Self.png(label: label, seed: seed), to: "set/\(domain)/k\(label)/\(index).png")
                }
            }
        }
    }

    /// Noise about a colour that the class hardly tells.
    private static func png(label: Int, seed: Int) throws -> [UInt8] {
        var generator = SeededGenerator(seed: UInt64(seed))
        let shade = 20 * label + generator.below(60)
        let pixels = (0..<32 * 32 * 3).map { _ in UInt8(min(255, shade + generator.below(60))) }
        return try PNG.encode(RGBImage(width: 32, height: 32, pixels: pixels))
    }

    @Test func resultsAreTheSameInEveryProcess() throws {
        let options = [
            "--weights", "none", "--image-size", "32", "--batch-size", "4", "--steps", "6", "--threads", "1",
            "--device",
            "cpu", "--learning-rate", "0.003",
        ]
        for seed in ["0", "1"] {
            for algorithm in ["ERM", "Mixup"] {
                let trained = try program.run(
                    [
                        "train", "--data", "set", "--test-domain", "b,c,d", "--algorithm", algorithm, "--seed", seed,
                        "--run-dir", "runs/\(algorithm)-\(seed)",
                    ] + options)
                #expect(trained.status == 0, "\(trained.errors)")
            }
        }
        let commands = [
            ["eval", "runs/ERM-0", "--json", "--threads", "1"], ["eval", "runs/ERM-0", "--threads", "1"],
            ["compare", "runs", "--format", "json"], ["compare", "runs"], ["report", "runs", "--format", "json"],
            ["report", "runs"], ["data", "check", "set"], ["info"],
            ["sweep", "--dataset", "set", "--data-dir", ".", "--algorithms", "ERM", "--launcher", "dry-run"],
            ["train", "--data", "set", "--test-domain", "e", "--run-dir", "none"],
        ]
        for command in commands {
            let first = try program.run(command)
            // Seven terms in another order have the same sum by chance, six times in a row hardly.
            for _ in 0..<(command[0] == "eval" ? 6 : 3) {
                let again = try program.run(command)
                #expect(again.output == first.output && again.errors == first.errors, "\(command)")
            }
        }
        // The files of a run, too, but for what clocks say.
        let untimed = try program.run(
            ["train", "--data", "set", "--test-domain", "b,c,d", "--seed", "0", "--run-dir", "again"] + options)
        #expect(untimed.status == 0, "\(untimed.errors)")
        for file in ["config.yaml", "classes.json", "predictions.jsonl", "checkpoint/step-6/model.safetensors"] {
            #expect(program.contents("again/\(file)") == program.contents("runs/ERM-0/\(file)"), "\(file)")
        }
    }
}
