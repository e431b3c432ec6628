import Foundation
import Foundations
import TestSupport
import Testing

/// `domainfusion eval --shift-inversion` and `--edit`, by the tiny model of the diffusion tests.
struct EvalTranslationTests {
    private let program: Program
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../DiffusionTests/Fixtures/sd1").standardized.path

    init() throws {
        program = try Program()
        let folder = try TemporaryFolder()
        _ = try folder.makeDataset(count: 5)
        try FileManager.default.copyItem(atPath: folder.path("set"), toPath: "\(program.folder)/set")
    }

    private func train(_ name: String, _ more: String...) throws {
        let result = try program.run(
            [
                "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32",
                "--batch-size", "2", "--steps", "2", "--evaluate-every", "2", "--threads", "1", "--run-dir", name,
            ] + more)
        #expect(result.status == 0, "\(result.errors)")
    }

    private func files(_ folder: String) throws -> [String: Data] {
        var result: [String: Data] = [:]
        for name in try #require(Files.names(in: "\(program.folder)/\(folder)")) where !name.hasPrefix(".") {
            // What was done in which process differs.
            if name != "ledger.json", name != "done" { result[name] = program.contents("\(folder)/\(name)") }
        }
        return result
    }

    /// One model a source domain, fine-tuned on it with empty captions, as the guide has it; after kills the same bytes; `compare`
    /// and `report` show it beside the run.
    @Test func shiftInversionFromTheGuide() throws {
        try train("runs/erm")
        for domain in ["a", "b"] {
            let tuned = try program.run([
                "ldm", "finetune", "--ldm", model, "--data", "set", "--domain", domain, "--prompt", "", "--steps", "2",
                "--learning-rate", "1e-2", "--ema-decay", "0.5", "--output", "ldm/\(domain)", "--threads", "1",
            ])
            #expect(tuned.status == 0 && tuned.output.contains("10 images, "), "\(tuned.errors)")
        }
        let models = ["--source-ldm", "a=ldm/a", "--source-ldm", "b=ldm/b"]
        let flags = ["--shift-inversion"] + models
        func run(_ more: String..., end: ((Process) throws -> Void)? = nil) throws -> ProgramResult {
            try program.run(
                [
                    "eval", "runs/erm", "--steps", "2", "--noise", "0,0.5,1", "--threshold", "0.97", "--batch-size",
                    "4", "--threads", "1",
                ] + flags + more, end: end)
        }
        let first = try run("--store", "first")
        #expect(first.status == 0, "\(first.errors)")
        #expect(first.output.contains("c: ") && first.output.contains(" of 10 images, "), "\(first.output)")
        #expect(first.output.contains("held out; sure: ") && first.output.contains("a: "), "\(first.output)")
        #expect(first.output.contains("diffusion model: ") && first.output.contains("runs/erm-dsi: recorded"))
        let expected = try files("runs/erm-dsi")
        #expect(
            Set(expected.keys) == [
                "config.yaml", "classes.json", "evaluation.json", "predictions.jsonl", "results.jsonl", "summary.json",
            ])
        let result = try #require(
            expected["evaluation.json"].flatMap { JSONValue(json: $0) }?["result"])
        let ledger = try #require(program.contents("runs/erm-dsi/ledger.json").flatMap { JSONValue(json: $0) })
        // The random classifier is not sure of its images, all of which are then moved.
        #expect(ledger["generatedUsed"]?.int == result["translations"]?.int)
        #expect(try #require(ledger["generatedUsed"]?.int) > 0 && ledger["generatedMade"] == ledger["generatedUsed"])
        #expect(try #require(ledger["unetEvaluations"]?.int) > 0 && ledger["vaePasses"]?.int ?? 0 > 0)
        #expect(ledger["seconds"]?["translation"] != nil && ledger["bytes"]?.int ?? 0 > 0)
        #expect(ledger["before"]?["models"]?.array?.compactMap { $0["record"]?["steps"]?.int } == [2, 2])
        try predictsByTranslation(flags)
        try trainsOnTranslations(models)
        // The run's own ledger, of its training, is another: this one asked no model.
        #expect(!program.exists("runs/erm/ledger.json"))

        // The same from the store: nothing is made.
        Files.remove("\(program.folder)/runs/erm-dsi")
        let again = try run("--store", "first")
        #expect(
            again.status == 0 && again.output.contains(" images (0 made here), 0 U-Net evaluations"), "\(again.output)")
        #expect(try files("runs/erm-dsi") == expected)

        Files.remove("\(program.folder)/runs/erm-dsi")
        for delay in [0.4, 0.8] {
            _ = try run("--store", "second") { process in
                Thread.sleep(forTimeInterval: delay)
                kill(process.processIdentifier, SIGKILL)
            }
        }
        let last = try run("--store", "second")
        #expect(last.status == 0, "\(last.errors)")
        #expect(try files("runs/erm-dsi") == expected)

        let compared = try program("compare", "runs")
        #expect(compared.status == 0 && compared.output.contains("ERM + DSI"), "\(compared.errors)\(compared.output)")
        let report = try program("report", "runs")
        #expect(report.status == 0 && report.output.contains("ERM + DSI"), "\(report.errors)\(report.output)")
        // Other settings belong into another folder.
        let other = try run("--seed", "1")
        #expect(
            other.isPlainError && other.errors.contains("another translation.seed (0 there, 1 now)"), "\(other.errors)")
        let nested = try program("eval", "runs/erm-dsi")
        #expect(nested.isPlainError && nested.errors.contains("has no network of its own"), "\(nested.errors)")
    }

    /// A picture of the held-out domain alone is predicted as in the evaluation.
    private func predictsByTranslation(_ flags: [String]) throws {
        let (image, translated) = ("set/c/cat/0.png", ["--noise", "0,0.5,1", "--threshold", "0.97", "--steps", "2"])
        func probabilities(_ more: [String]) throws -> [String: Double] {
            let result = try program.run(["predict", image, "--run", "runs/erm", "--json", "--threads", "1"] + more)
            #expect(result.status == 0, "\(result.errors)")
            let found = JSONValue(json: Data(result.output.utf8))?["predictions"]?.array ?? []
            return Dictionary(
                uniqueKeysWithValues: found.compactMap { value in
                    value["class"]?.string.flatMap { name in value["probability"]?.double.map { (name, $0) } }
                })
        }
        let moved = try probabilities(flags + translated + ["--batch-size", "4", "--store", "first"])
        let plain = try probabilities([])
        let lines = try #require(program.contents("runs/erm-dsi/predictions.jsonl"))
        let line = try #require(
            lines.split(separator: 10).compactMap { JSONValue(json: $0) }.first {
                $0["image"]?.string?.hasSuffix("c/cat/0.png") ?? false
            })
        let loss = try #require(line["loss"]?.double)
        #expect(abs(exp(-loss) - (try #require(moved["cat"]))) < 1e-5, "\(line.text) \(moved)")
        #expect(moved.count == 2 && moved != plain)
        let several = try program.run(["predict", image, "--run", "runs/erm", "--threshold", "0.5,0.9"] + flags)
        #expect(several.isPlainError && several.errors.contains("tell of none which is best"), "\(several.errors)")
        #expect(try program.run(["predict", image, "--run", "runs/erm", "--record", "x"] + flags).status == 64)
    }

    /// The same models make images to train on, and a run tells of their fine-tuning.
    private func trainsOnTranslations(_ models: [String]) throws {
        let command = [
            "generate", "--data", "set", "--method", "shift", "--domains", "a,b", "--steps", "2", "--strength", "0.5",
            "--threads", "1", "--output", "moved",
        ]
        let made = try program.run(command + models)
        #expect(made.status == 0 && made.output.hasPrefix("moved: 40 images, 40 of them made"), "\(made.errors)")
        try train("runs/moved", "--generated", "moved")
        let ledger = try #require(program.contents("runs/moved/ledger.json").flatMap { JSONValue(json: $0) })
        #expect(ledger["before"]?["models"]?.array?.count == 2 && ledger["before"]?["images"]?.int ?? 0 > 0)
        let missing = try program.run(command + models.suffix(2))
        #expect(missing.isPlainError && missing.errors.contains("no diffusion model of the source domain 'a'"))
        #expect(try program.run(["generate", "--data", "set", "--output", "x"] + models).status == 64)
        // A run that holds out what the model has seen.
        let seen = try program.run([
            "train", "--data", "set", "--test-domain", "a", "--weights", "none", "--image-size", "32", "--algorithm",
            "DomainFusion", "--ldm", "ldm/a", "--run-dir", "seen",
        ])
        #expect(seen.isPlainError && seen.errors.contains("was fine-tuned on a, which this run holds out"))
    }

    /// One model, each source domain's style in the prompt; of two thresholds the better one on validation.
    @Test func editsByPrompt() throws {
        try train("runs/erm")
        let arguments = ["--edit", "--ldm", model, "--style", "a=ink", "--style", "b=oil", "--record", "edited"]
        let result = try program.run(
            ["eval", "runs/erm", "--steps", "2", "--noise", "0.5", "--threshold", "0.6,0.5", "--json"] + arguments)
        #expect(result.status == 0, "\(result.errors)")
        let found = try #require(JSONValue(json: Data(result.output.utf8)))
        #expect(found["result"]?["validation"]?.array?.count == 2)
        #expect([0.5, 0.6].contains(try #require(found["result"]?["threshold"]?.double)))
        // Guidance: two evaluations of the one step.
        #expect(try #require(found["ledger"]?["unetEvaluations"]?.int) % 32 == 0)
        let evaluation = try #require(program.contents("edited/evaluation.json").flatMap { JSONValue(json: $0) })
        #expect(evaluation["inputs"]?["prompts"] == ["a": "ink", "b": "oil"])
        // Another data set of the same classes: all of it, and no run of it.
        try FileManager.default.copyItem(atPath: "\(program.folder)/set", toPath: "\(program.folder)/moved")
        Files.remove("\(program.folder)/moved/a/cat/0.png")
        let other = try program.run(
            ["eval", "runs/erm", "--data", "moved", "--steps", "2", "--noise", "0.5", "--edit", "--ldm", model]
                + ["--style", "a=ink", "--style", "b=oil", "--record", "other"])
        #expect(other.status == 0 && other.output.contains("a: ") && other.output.contains(" of 9 images"))
        #expect(!program.exists("other/results.jsonl") && program.exists("other/predictions.jsonl"))
    }

    @Test func mistakesAreNamed() throws {
        try train("runs/erm")
        try FileManager.default.createDirectory(atPath: "\(program.folder)/begun", withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: "\(program.folder)/runs/erm/config.yaml", toPath: "\(program.folder)/begun/config.yaml")
        let shared = ["--shift-inversion", "--ldm", model]
        for (arguments, part) in [
            (["--shift-inversion"], "no diffusion model of the source domain 'a'"),
            (["--shift-inversion", "--source-ldm", "a=\(model)"], "no diffusion model of the source domain 'b'"),
            (shared + ["--source-ldm", "c=\(model)"], "'c' is none of the source domains (a, b)"),
            (["--shift-inversion", "--ldm", "nowhere"], "nowhere: no such model"),
            (shared + ["--threshold", "1"], "thresholds: 1.0 is not in 0..<1"),
            (shared + ["--threshold=-0.2"], "thresholds: -0.2"), (shared + ["--threshold", "high"], "--threshold"),
            (shared + ["--noise", "0.5,0.2"], "noise: must rise"), (shared + ["--noise", "0,2"], "noise: 2.0"),
            (shared + ["--noise", "0,0.1"], "steps: must be enough for one step at noise 0.1"),
            (shared + ["--guidance", "0"], "guidanceScale"), (shared + ["--prompt", "a {class}"], "prompt"),
            (shared + ["--record", "runs/erm"], "runs/erm: holds a run"),
            (["--edit", "--ldm", model], "no style for the source domain 'a'"),
        ] {
            let result = try program.run(
                ["eval", "runs/erm"] + (arguments.contains("--noise") ? ["--steps", "2"] : []) + arguments)
            #expect(result.isPlainError, "\(arguments): \(result.errors)")
            #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
        }
        let begun = try program.run(["eval", "begun"] + shared)
        #expect(begun.isPlainError && begun.errors.contains("begun: this run is not done"), "\(begun.errors)")
        #expect(try program.run(["eval", "runs/erm", "--edit"] + shared).status == 64)
        #expect(try program.run(["eval", "runs/erm", "runs/erm"] + shared).status == 64)
        #expect(try program.run(["eval", "runs/erm", "--ldm", model]).status == 64)
        #expect(try program.run(["eval", "runs/erm", "--source-ldm", "a"] + shared).status != 0)
    }
}
