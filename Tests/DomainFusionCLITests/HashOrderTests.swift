import Foundation
import Foundations
import Pixels
import Testing

/// The order of dictionaries and sets differs from process to process. Nothing that is printed or written may.
struct HashOrderTests {
    let program: Program

    init() throws {
        program = try Program()
        let colours = [
            RGB(0, 0, 0), RGB(255, 0, 0), RGB(0, 255, 0), RGB(0, 0, 255), RGB(255, 255, 0), RGB(0, 255, 255),
            RGB(255, 255, 255),
        ]
        // Classes of different sizes, one image in three in another's colour: the shares that are found are fractions.
        for (number, domain) in ["a", "b", "c", "d", "e"].enumerated() {
            for label in colours.indices {
                for index in 0..<(3 + (label * 5 + number * 3) % 8) {
                    let colour = colours[(index * 5 + label) % 3 == 0 ? (label + 1) % 7 : label]
                    try program.write(
                        Self.noise(colour, seed: label * 10 + index), to: "set/\(domain)/k\(label)/\(index).png")
                }
            }
        }
    }

    private static func noise(_ colour: RGB, seed: Int) throws -> [UInt8] {
        var generator = SeededGenerator(seed: UInt64(seed))
        let pixels = (0..<32 * 32).flatMap { _ in
            [colour.red, colour.green, colour.blue].map { UInt8(min(255, max(0, Int($0) + generator.below(81) - 40))) }
        }
        return try PNG.encode(RGBImage(width: 32, height: 32, pixels: pixels))
    }

    private func train(_ folder: String, _ more: String...) throws {
        let trained = try program.run(
            [
                "train", "--data", "set", "--test-domain", "b,c,d,e", "--run-dir", folder, "--weights", "none",
                "--augmentation", "none", "--image-size", "32", "--batch-size", "16", "--learning-rate", "0.01",
                "--threads",
                "1", "--device", "cpu",
            ] + more)
        #expect(trained.status == 0, "\(trained.errors)")
    }

    /// Whether, of one domain at least, the sum of the classes' accuracies depends on their order.
    private func sumsDepend() throws -> Bool {
        var found: [String: [String: [Double]]] = [:]
        guard let predictions = program.contents("runs/ERM/predictions.jsonl") else { return false }
        for line in predictions.split(separator: UInt8(ascii: "\n")) {
            let members = try #require(try JSONSerialization.jsonObject(with: line) as? [String: Any])
            let (domain, label) = ("\(members["domain"] ?? "")", "\(members["class"] ?? "")")
            found[domain, default: [:]][label, default: []].append("\(members["predicted"] ?? "")" == label ? 1 : 0)
        }
        let sums = ["b", "c", "d", "e"].map { domain in
            let shares = (found[domain] ?? [:]).values.map { $0.reduce(0, +) / Double($0.count) }
            return Set((0..<100).map { _ in shares.shuffled().reduce(0, +) }).count
        }
        return sums.contains { $0 > 1 }
    }

    @Test func resultsAreTheSameInEveryProcess() throws {
        // What is learned depends on the processor: a little longer where the shares' sums do not depend on their order.
        for steps in [30, 20, 40, 50, 60] where try !sumsDepend() {
            try train("runs/ERM", "--steps", "\(steps)", "--restart")
        }
        try #require(try sumsDepend())
        try train("runs/Mixup", "--algorithm", "Mixup", "--steps", "2")

        let commands: [(arguments: [String], again: Int)] = [
            (["eval", "runs/ERM", "--json", "--threads", "1"], 3), (["eval", "runs/ERM", "--threads", "1"], 1),
            (["compare", "runs", "--format", "json"], 1), (["report", "runs", "--format", "json"], 1),
            (["data", "check", "set"], 1), (["info"], 1),
            (["sweep", "--dataset", "set", "--data-dir", ".", "--algorithms", "ERM", "--launcher", "dry-run"], 1),
            (["train", "--data", "set", "--test-domain", "x", "--run-dir", "none"], 1),
        ]
        for (command, count) in commands {
            let first = try program.run(command)
            for _ in 0..<count {
                let again = try program.run(command)
                #expect(again.output == first.output && again.errors == first.errors, "\(command)")
            }
        }
        // The files of a run, too, but for what clocks say.
        try train("again", "--algorithm", "Mixup", "--steps", "2")
        for file in ["config.yaml", "classes.json", "predictions.jsonl", "checkpoint/step-2/model.safetensors"] {
            #expect(program.contents("again/\(file)") == program.contents("runs/Mixup/\(file)"), "\(file)")
        }
    }
}
