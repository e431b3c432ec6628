import DomainGeneralization
import Foundation
import Foundations
import Testing

/// `domainfusion train --algorithm DomainFusion` on the tiny model of the diffusion tests, ended by signals.
@Suite(.serialized)
struct DomainFusionTrainTests {
    let program: Program
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DiffusionTests/Fixtures/sd1").path

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    /// Six steps without pretrained weights; results of the diffusion model go into the run's own store.
    private func train(
        _ folder: String, _ settings: [String], _ more: String..., end: ((Process) throws -> Void)? = nil
    ) throws -> ProgramResult {
        let common = [
            "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32", "--batch-size",
            "2",
            "--steps", "6", "--save-every", "6", "--evaluate-every", "6", "--threads", "1", "--device", "cpu",
            "--algorithm", "DomainFusion", "--run-dir", folder, "--store", "\(folder)-store",
        ]
        let all = ["ldm=\(model)"] + settings
        return try program.run(
            common + all.flatMap { ["--set", "algorithm.hyperparameters.\($0)"] } + more, end: end)
    }

    /// Curves that take a while; no augmentation.
    private let curves = ["distillation.nodes=9", "distillation.draws=64", "augmentation.weight=0"]
    /// Rounds that take a while, the second of which begins after three steps; no distillation.
    private let rounds = [
        "distillation.mode=off", "augmentation.steps=40", "augmentation.batchSize=2", "augmentation.everyEpochs=1",
        "augmentation.candidates=4",
    ]

    /// The files of a kind in a run's store.
    private func stored(_ kind: String, _ folder: String) -> Int {
        let paths =
            (try? FileManager.default.subpathsOfDirectory(atPath: "\(program.folder)/\(folder)-store/\(kind)")) ?? []
        return paths.filter { $0.hasSuffix(".png") || $0.hasSuffix(".safetensors") }.count
    }

    private func json(_ path: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: try #require(program.contents(path)))
    }

    /// Trains into `whole`; into `parts` with a signal as soon as `isDue`; then to the end, and compares.
    private func interrupt(_ settings: [String], _ signal: Int32, until isDue: @escaping () -> Bool) throws {
        let whole = try train("whole", settings)
        #expect(whole.status == 0, "\(whole.errors)")
        let stopped = try train("parts", settings) { process in
            let deadline = Date().addingTimeInterval(120)
            while process.isRunning, !isDue() {
                try #require(Date() < deadline)
                Thread.sleep(forTimeInterval: 0.001)
            }
            kill(process.processIdentifier, signal)
        }
        #expect(stopped.status == 128 + signal, "\(stopped.errors)")
        #expect(stopped.errors.contains("state saved in parts; the same command goes on from there"))
        #expect(!program.exists("parts/failed"))
        #expect(!program.exists("parts/checkpoint/step-6"))

        let resumed = try train("parts", settings)
        #expect(resumed.status == 0, "\(resumed.errors)")
        for file in [
            "checkpoint/step-6/model.safetensors", "checkpoint/step-6/optimizer.safetensors", "predictions.jsonl",
        ] {
            #expect(program.contents("whole/\(file)") != nil)
            #expect(program.contents("parts/\(file)") == program.contents("whole/\(file)"), "\(file)")
        }
        // Nothing of the diffusion model's work was lost or done twice.
        let (one, other) = try (json("whole/ledger.json"), json("parts/ledger.json"))
        for key in ["rounds", "generatedUsed", "generatedMade", "composedUsed", "composedMade", "unetEvaluations"] {
            #expect(one[key]?.int != nil)
            #expect(one[key] == other[key], "\(key): \(one[key]?.text ?? ""), \(other[key]?.text ?? "")")
        }
    }

    @Test func goesOnWithCurvesAfterASignal() throws {
        try interrupt(curves, SIGTERM) { stored("curve", "parts") > 0 }
        #expect(stored("curve", "whole") > 1)
        #expect(stored("curve", "parts") == stored("curve", "whole"))
        // What they took stands in the summary and in the ledger.
        let seconds = try json("whole/summary.json")["totals"]?["curves_seconds"]?.double
        #expect(try #require(seconds) > 0)
        #expect(seconds == (try json("whole/ledger.json")["seconds"]?["curves"]?.double))
    }

    /// The prompts are in the styles of the images' own domains.
    @Test func promptsNameTheSourceDomainsStyles() throws {
        func run(_ folder: String, styles: [String], _ more: String...) throws -> ProgramResult {
            try train(
                folder,
                [
                    "distillation.nodes=2", "distillation.draws=1", "augmentation.weight=0",
                    #"distillation.prompt="{a style} picture of {a class}""#,
                ] + styles.map { "styles.\($0)" }, more.first ?? "--restart")
        }
        let missing = try run("missing", styles: ["a=ink"])
        #expect(missing.isPlainError)
        #expect(missing.errorLines.first?.contains("styles: no style for the source domain 'b'; add it") == true)

        let first = try run("run", styles: ["a=ink", "b=pencil"])
        #expect(first.status == 0, "\(first.errors)")
        let count = stored("curve", "run")
        #expect(count > 1)
        // Another style for one of the two domains: its curves anew, the other's from the store.
        #expect(try run("run", styles: ["a=ink", "b=crayon"]).status == 0)
        #expect(stored("curve", "run") == count + count / 2)

        // It would tell of the held-out domain.
        let oracle = try run("oracle", styles: ["a=ink", "b=ink", "c=ink"], "--oracle")
        #expect(oracle.isPlainError)
        #expect(oracle.errorLines.first?.contains("would name the style of the held-out domain 'c'") == true)
    }

    /// Curves and synthetic images of 32 pixels by a model that was trained on 16.
    @Test func imagesOfAnotherSizeThanTheModels() throws {
        let settings = [
            "distillation.nodes=2", "distillation.draws=1", "augmentation.budget=2", "augmentation.candidates=1",
            "augmentation.steps=2", "augmentation.everyEpochs=10",
        ]
        let own = try train("run", settings)
        #expect(own.status == 0, "\(own.errors)")
        // TensorBoard gets the images of its round.
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(program.folder)/run")
        let events = try #require(names.first { $0.hasPrefix("events.") }.flatMap { program.contents("run/\($0)") })
        #expect(["synthetic/0", "synthetic/1"].allSatisfy { events.ranges(of: Data($0.utf8)).count == 1 })
        #expect(!events.contains(Data("synthetic/2".utf8)))
        let count = stored("curve", "run")
        let larger = try train("run", settings + ["ldmImageSize=32"], "--restart")
        #expect(larger.status == 0, "\(larger.errors)")
        // The store does not mix them up.
        #expect(count > 1)
        #expect(stored("curve", "run") == 2 * count)
        let files = try FileManager.default.subpathsOfDirectory(atPath: "\(program.folder)/run/synthetic")
        let images = files.filter { $0.hasSuffix(".png") }
        #expect(images.count == 2)
        for image in images {
            // Width and height stand in a PNG's header at bytes 16 and 20.
            let header = try #require(program.contents("run/synthetic/\(image)"))
            #expect(Array(header[16..<24]) == [0, 0, 0, 32, 0, 0, 0, 32])
        }

        let odd = try train("odd", settings + ["ldmImageSize=33"])
        #expect(odd.isPlainError)
        #expect(odd.errorLines.first?.contains("images of 33 pixels") == true)
    }

    @Test func goesOnWithARoundAfterASignal() throws {
        var first = 0
        try interrupt(rounds, SIGINT) {
            // In the second round, after the steps of the first.
            if first == 0, program.exists("parts/synthetic/manifest.jsonl") { first = stored("candidate", "parts") }
            return first > 0 && stored("candidate", "parts") > first
        }
        #expect(
            program.contents("parts/synthetic/manifest.jsonl") == program.contents("whole/synthetic/manifest.jsonl"))
        let totals = try ["whole", "parts"].map { try json("\($0)/summary.json")["totals"]?["images_generated"] }
        #expect(totals[0] != nil && totals[0] == totals[1])
    }

    @Test func aFinishedRunJudgesCandidates() throws {
        func classifier(_ folder: String, holdingOut domain: String) throws {
            let result = try program(
                "train", "--data", "set", "--test-domain", domain, "--weights", "none", "--image-size", "32",
                "--batch-size", "2", "--steps", "2", "--threads", "1", "--run-dir", folder)
            #expect(result.status == 0, "\(result.errors)")
        }
        let quick = ["distillation.mode=off", "augmentation.steps=2", "augmentation.budget=4"]
        try classifier("judge", holdingOut: "c")
        let judged = try train(
            "judged", quick, "--ola-judge", "judge", "--set", "algorithm.hyperparameters.augmentation.judgeThreshold=1")
        #expect(judged.status == 0, "\(judged.errors)")
        // No candidate is certain to show its class: all images stay as they were.
        let manifest = String(
            decoding: try #require(program.contents("judged/synthetic/manifest.jsonl")), as: UTF8.self)
        #expect(manifest.split(separator: "\n").count == 4)
        #expect(!manifest.contains("\"style\""))
        let plain = try train("plain", quick)
        #expect(plain.status == 0, "\(plain.errors)")
        let composed = String(decoding: try #require(program.contents("plain/synthetic/manifest.jsonl")), as: UTF8.self)
        #expect(composed.components(separatedBy: "\"style\"").count == 5)

        try classifier("seen", holdingOut: "a")
        let refused = try train("refused", quick, "--ola-judge", "seen")
        #expect(refused.isPlainError, "\(refused.errors)")
        #expect(refused.errors.contains("seen: has seen c, which this run holds out"))
        let none = try train("refused", quick, "--ola-judge", "set")
        #expect(none.isPlainError && none.errors.contains("set: no run in this folder"), "\(none.errors)")
        let nobody = try train("refused", quick + ["augmentation.judgeThreshold=0.5"])
        #expect(nobody.isPlainError && nobody.errors.contains("--ola-judge"), "\(nobody.errors)")
    }
}
