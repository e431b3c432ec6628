import Foundation
import Foundations
import TestSupport
import Testing

/// Runs of GenerativeClassifier from the command line, by the tiny model of the diffusion tests.
struct GenerativeClassifierTests {
    private let program: Program
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../DiffusionTests/Fixtures/sd1").standardized.path

    init() throws {
        program = try Program()
        let folder = try TemporaryFolder()
        _ = try folder.makeDataset(count: 5)
        try FileManager.default.copyItem(atPath: folder.path("set"), toPath: "\(program.folder)/set")
    }

    private func train(_ more: [String] = [], end: ((Process) throws -> Void)? = nil) throws -> ProgramResult {
        try program.run(
            [
                "train", "--data", "set", "--test-domain", "c", "--algorithm", "GenerativeClassifier", "--set",
                "algorithm.hyperparameters.draws=4", "--set", "algorithm.hyperparameters.elimination=\"2:1\"", "--set",
                "algorithm.hyperparameters.parts=2", "--threads", "1", "--run-dir", "runs/generative", "--ldm", model,
            ] + more, end: end)
    }

    private func files() -> [String: Data] {
        var result: [String: Data] = [:]
        for name in Files.names(in: "\(program.folder)/runs/generative") ?? []
        where !name.hasPrefix(".") && name != "ledger.json" && name != "done" {
            result[name] = program.contents("runs/generative/\(name)")
        }
        return result
    }

    /// A run like any other: its summary, tables, evaluation and predictions; after kills the same bytes.
    @Test func isARunLikeAnyOther() throws {
        let whole = try train(["--store", "first"])
        #expect(whole.status == 0, "\(whole.errors)")
        #expect(whole.output.contains("unseen domain c: accuracy ") && whole.output.contains("runs/generative: done"))
        // Of 4 validation images all draws of both classes; of 10 held-out ones one class after two.
        let ledger = try #require(program.contents("runs/generative/ledger.json").flatMap { JSONValue(json: $0) })
        #expect(ledger["unetEvaluations"]?.int == 4 * 8 + 10 * 4, "\(ledger.text)")
        #expect(ledger["seconds"]?["posteriors"] != nil && ledger["generatedUsed"]?.int == 0)
        let expected = files()
        #expect(expected["summary.json"] != nil && expected["predictions.jsonl"] != nil)
        let evaluation = try #require(expected["evaluation.json"].flatMap { JSONValue(json: $0) })
        #expect(evaluation["result"]?["timeWeights"]?["weights"]?.array?.count == 2)

        Files.remove("\(program.folder)/runs/generative")
        for delay in [0.3, 0.6] {
            _ = try train(["--store", "first-killed"]) { process in
                Thread.sleep(forTimeInterval: delay)
                kill(process.processIdentifier, SIGKILL)
            }
        }
        #expect(try train(["--store", "first-killed"]).status == 0)
        var found = files()
        // The settings name the store.
        for name in ["config.yaml"] {
            let text = found[name].map { String(decoding: $0, as: UTF8.self) }
            found[name] = text?.replacing("first-killed", with: "first").data(using: .utf8)
        }
        #expect(found == expected)
        let again = try train(["--store", "first-killed"])
        #expect(again.status == 0 && again.output.contains("runs/generative: done"), "\(again.errors)")

        let evaluated = try program("eval", "runs/generative", "--json", "--threads", "1")
        #expect(evaluated.status == 0, "\(evaluated.errors)")
        let scores = try #require(JSONValue(json: Data(evaluated.output.utf8)))
        let summary = try #require(expected["summary.json"].flatMap { JSONValue(json: $0) })
        #expect(scores["c"]?["count"]?.int == 10)
        #expect(scores["c"]?["accuracy"] == summary["selected"]?["targets"]?["c"]?["accuracy"])
        let predicted = try program("predict", "set/c/cat/0.png", "--run", "runs/generative", "--json")
        #expect(predicted.status == 0, "\(predicted.errors)")
        let line = try #require(
            expected["predictions.jsonl"].map { String(decoding: $0, as: UTF8.self) }?.split(separator: "\n").first {
                $0.contains("c/cat/0.png")
            }.flatMap { JSONValue(json: Data($0.utf8)) })
        let best = JSONValue(json: Data(predicted.output.utf8))?["predictions"]?.array?.first?["class"]
        #expect(best == line["predicted"])

        let erm = try program.run([
            "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32", "--batch-size",
            "2", "--steps", "1", "--threads", "1", "--run-dir", "runs/erm",
        ])
        #expect(erm.status == 0, "\(erm.errors)")
        for command in ["compare", "report"] {
            let shown = try program(command, "runs")
            #expect(
                shown.status == 0 && shown.output.contains("GenerativeClassifier"), "\(shown.errors)\(shown.output)")
        }
        let restarted = try train(["--store", "first", "--seed", "1"])
        #expect(
            restarted.isPlainError && restarted.errors.contains("another seed (0 there, 1 now)"), "\(restarted.errors)")
        #expect(try train(["--store", "first", "--seed", "1", "--restart"]).status == 0)
    }

    @Test func mistakesAreNamed() throws {
        func refusal(_ arguments: String...) throws -> String {
            let result = try program.run(
                ["train", "--data", "set", "--test-domain", "c", "--algorithm", "GenerativeClassifier"] + arguments)
            #expect(result.isPlainError, "\(result.errors)")
            return result.errors
        }
        #expect(try refusal().contains("needs a latent diffusion model"))
        #expect(try refusal("--ldm", "nowhere").contains("nowhere: no such model"))
        #expect(
            try refusal("--ldm", model, "--set", "algorithm.hyperparameters.elimination=\"4\"").contains("elimination"))
        #expect(try refusal("--ldm", model, "--average", "swad").contains("trains no network"))
        #expect(try refusal("--ldm", model, "--term", "ld").contains("trains no network"))
        try program.write("no run", to: "runs/empty/note.txt")
        #expect(try program("eval", "runs/empty").isPlainError)
    }
}
