import Backbones
import Foundation
import Foundations
import Pixels
import Synchronization
import TestSupport
import Testing
import Torch

@testable import DomainGeneralization
@testable import Experiments

struct TrainingRunTests {
    let folder: TemporaryFolder
    let configuration: RunConfiguration

    init() throws {
        folder = try TemporaryFolder()
        var configuration = RunConfiguration()
        configuration.data = try folder.makeDataset(count: 4)
        configuration.testDomains = ["c"]
        configuration.backbone.weights = "none"
        configuration.backbone.dropConnect = 0.2
        configuration.backbone.dropout = 0.1
        configuration.imageSize = 32
        configuration.batchSize = 2
        configuration.steps = 6
        configuration.evaluateEvery = 4
        configuration.saveEvery = 2
        self.configuration = configuration
    }

    private func run(
        _ name: String, _ configuration: RunConfiguration? = nil,
        report: @escaping @Sendable (RunEvent) -> Void = { _ in }
    ) throws -> TrainingRun {
        try TrainingRun(
            configuration ?? self.configuration, folder: "\(folder.path)/\(name)", registry: .standard, threads: 1,
            report: report)
    }

    /// The rows without what the clock and the memory say.
    private func rows(_ name: String) throws -> [[String: JSONValue]] {
        try RunDirectory(existing: "\(folder.path)/\(name)").rows().map { row in
            row.values.filter { !$0.key.hasSuffix("_seconds") && !["step_time", "mem_gb", "args"].contains($0.key) }
        }
    }

    private func bytes(_ name: String, step: Int) -> Data? {
        FileManager.default.contents(atPath: "\(folder.path)/\(name)/checkpoint/step-\(step)/model.safetensors")
    }

    @Test func resumesToTheSameBytes() throws {
        let summary = try run("whole").run()
        #expect(summary.last.step == 6)
        #expect(try rows("whole").map { $0["step"] } == [.int(4), .int(6)])
        for file in ["done", "summary.json", "predictions.jsonl", "environment.json", "config.yaml"] {
            #expect(FileManager.default.fileExists(atPath: "\(folder.path)/whole/\(file)"))
        }

        // Ends between two checkpoints: what an error in step 5 does to a run.
        let broken = Broken(at: 5)
        let registry = AlgorithmRegistry([broken.description])
        let name = "\(folder.path)/parts"
        func attempt(_ report: @escaping @Sendable (RunEvent) -> Void = { _ in }) throws -> RunSummary {
            try TrainingRun(configuration, folder: name, registry: registry, threads: 1, report: report).run()
        }
        #expect(throws: UserError("broken at step 5")) { try attempt() }
        #expect(try String(contentsOfFile: "\(name)/failed", encoding: .utf8) == "broken at step 5\n")
        #expect(bytes("parts", step: 4) != nil)
        broken.isMended.store(true, ordering: .relaxed)
        let resumed = Mutex(0)
        let second = try attempt { event in
            if case .resumed(let step) = event { resumed.withLock { $0 = step } }
        }
        #expect(resumed.withLock { $0 } == 4)
        #expect(!FileManager.default.fileExists(atPath: "\(name)/failed"))
        #expect(second.last == summary.last)
        #expect(second.selected == summary.selected)
        #expect(try rows("parts") == rows("whole"))
        #expect(bytes("parts", step: 6) == bytes("whole", step: 6))

        // A run that is done gives its summary again.
        #expect(try attempt().last == summary.last)

        let model = try TrainedModel(run: name, device: "cpu", threads: 1)
        #expect(model.classes == ["cat", "dog"])
        let scores = try model.scores(on: ImageFolder(configuration.data), threads: 1)
        #expect(scores.map(\.count) == [8, 8, 8])
    }

    /// A run goes on where its data have been moved to, and refuses other images.
    @Test func followsItsData() throws {
        var first = configuration
        first.steps = 4
        first.evaluateEvery = 4
        let summary = try run("moved", first).run()
        var second = first
        second.data = "\(folder.path)/elsewhere/set"
        second.store = "other"
        second.backbone.gradientCheckpointing = true
        try FileManager.default.createDirectory(
            atPath: "\(folder.path)/elsewhere", withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: first.data, toPath: second.data)
        #expect(try run("moved", second).run().last == summary.last)
        try FileManager.default.removeItem(atPath: "\(second.data)/a/cat/0.png")
        #expect { try run("moved", second) } throws: { "\($0)".contains("has other images than when the run began") }
    }

    /// The rows are records that a table can be made of, DomainBed's script included: known data sets by DomainBed's
    /// names, all that its three ways of choosing the model look at, the domains' names.
    @Test func writesRecordsForTables() throws {
        var office = configuration
        office.data = "\(folder.path)/office_home"
        try FileManager.default.moveItem(atPath: configuration.data, toPath: office.data)
        office.draw = 4
        office.seed = 1
        office.classBalanced = true
        office.adaptationFraction = 0.5
        let made = try run("records", office)
        _ = try made.run()
        let records = try ResultRecord.read("\(folder.path)/records/results.jsonl") { Issue.record("\($0)") }
        #expect(records.map(\.step) == [4, 6])
        let last = try #require(records.last)
        #expect((last.algorithm, last.dataset, last.trial, last.draw) == ("ERM", "OfficeHome", 1, 4))
        #expect(last.testEnvironments == [2])
        #expect(last.domains == ["a", "b", "c"])
        #expect(last.environments == 0..<3)
        for selection in [ModelSelection.trainingDomain, .oracle] {
            #expect(try selection.accuracy(records, environment: 2) != nil)
        }
        #expect(last.row.values["hparams"]?["lr"] == .double(office.learningRate))
        #expect(last.row["env2_uda_acc"] != nil)
        #expect(made.context.split.isClassBalanced)
        let environment = try JSONDecoder().decode(
            JSONValue.self, from: Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/records/environment.json")))
        #expect(environment["preset"] == .string("small-1"))
        let deviations = environment["deviations"]?.array?.compactMap(\.string) ?? []
        #expect(deviations.contains("batchSize: 2, 19 in draw 4 of the preset"))
    }

    @Test(arguments: [AveragingSettings.Method.swad, .swa, .ema])
    func averages(_ method: AveragingSettings.Method) throws {
        var configuration = configuration
        configuration.steps = 12
        configuration.evaluateEvery = 6
        configuration.saveEvery = 3
        let plain = try run("plain", configuration).run()
        #expect(plain.averaged == nil)
        configuration.averaging = AveragingSettings(method)
        configuration.averaging.evaluateEvery = 1
        configuration.averaging.tolerance = 4
        configuration.averaging.batchNormBatches = 3
        let summary = try run("whole", configuration).run()

        // The run itself is the one without an average.
        #expect(summary.selected == plain.selected && summary.last == plain.last)
        #expect(bytes("whole", step: 12) == bytes("plain", step: 12))
        let averaged = try #require(summary.averaged)
        #expect(averaged.targets["c"]?.accuracy != nil)
        #expect(averaged.sourceValidation != nil)

        // Ends in step 8, goes on from step 6.
        let broken = Broken(at: 8)
        let registry = AlgorithmRegistry([broken.description])
        let name = "\(folder.path)/parts"
        func attempt() throws -> RunSummary {
            try TrainingRun(configuration, folder: name, registry: registry, threads: 1) { _ in }.run()
        }
        #expect(throws: UserError.self) { try attempt() }
        broken.isMended.store(true, ordering: .relaxed)
        #expect(try attempt().averaged == averaged)
        func model(_ run: String) -> Data? {
            FileManager.default.contents(atPath: "\(folder.path)/\(run)/average.safetensors")
        }
        #expect(model("parts") != nil)
        #expect(model("parts") == model("whole"))
        #expect(model("whole") != bytes("whole", step: 12))

        let trained = try TrainedModel(run: name, averaged: true, device: "cpu", threads: 1)
        #expect(try trained.scores(on: ImageFolder(configuration.data), threads: 1).count == 3)
        #expect {
            try TrainedModel(run: "\(folder.path)/plain", averaged: true, device: "cpu", threads: 1)
        } throws: { "\($0)".contains("average.safetensors: no such file") }
    }

    @Test func combinesRuns() throws {
        var configuration = configuration
        configuration.steps = 4
        configuration.evaluateEvery = 4
        for (index, rate) in [1e-3, 3e-3, 1e-2].enumerated() {
            configuration.learningRate = rate
            _ = try run("run\(index)", configuration).run()
        }
        let paths = (0..<3).map { "\(folder.path)/run\($0)" }
        func combined(_ method: RunCombination.Method) throws -> RunCombination {
            try RunCombination(paths, method: method, device: "cpu", threads: 1)
        }
        let dataset = try ImageFolder(configuration.data)
        let file = "\(folder.path)/mean.safetensors"
        let mean = try combined(.average)
        try mean.write(safetensors: file)
        #expect(try mean.scores(on: dataset, threads: 1).map(\.count) == [8, 8, 8])
        let written = try StateDict(safetensors: file)
        let parts = try paths.map { try RunDirectory(existing: $0).checkpoints.read(4).model }
        for name in ["classifier.weight", "bn1.running_var"] {
            let tensors = try parts.map { try #require($0[name]) }
            let expected = (tensors[0] + tensors[1] + tensors[2]) / 3
            #expect((try #require(written[name]) - expected).abs().max().item() < 1e-6)
        }

        // Of an ensemble of one model with itself nothing is new; the log of the probabilities has the same loss.
        let single = try TrainedModel(run: paths[0], device: "cpu", threads: 1).scores(on: dataset, threads: 1)
        let twice = try RunCombination([paths[0], paths[0]], method: .ensemble, device: "cpu", threads: 1)
        for (a, b) in zip(single, try twice.scores(on: dataset, threads: 1)) {
            #expect(a.accuracy == b.accuracy)
            #expect(abs((a.loss ?? 0) - (b.loss ?? 1)) < 1e-4)
        }
        #expect(throws: UserError.self) { try twice.write(safetensors: file) }
        let chosen = try combined(.greedy).runs
        #expect(!chosen.isEmpty && Set(chosen).isSubset(of: paths))

        configuration.seed = 1
        _ = try run("other", configuration).run()
        #expect {
            try RunCombination([paths[0], "\(folder.path)/other"], method: .greedy, device: "cpu", threads: 1)
        } throws: { "\($0)".hasPrefix("\(folder.path)/other: its seed") }
    }

    @Test func evaluatesAnOracle() throws {
        var configuration = configuration
        configuration.oracle = true
        configuration.steps = 1
        let oracle = try run("oracle", configuration)
        #expect(oracle.context.sourceEnvironments == [0, 1, 2])
        let summary = try oracle.run()
        let target = try #require(summary.last.targets["c"])
        #expect(target.accuracy != nil)
        #expect(summary.oracle)
        let records = try ResultRecord.read("\(folder.path)/oracle/results.jsonl") { Issue.record("\($0)") }
        #expect(records.map(\.algorithm) == ["ERM (oracle)"] && records.allSatisfy(\.isOracle))
        _ = try run("plain", changed: { $0.steps = 1 }).run()
        #expect {
            try RunCombination(
                ["plain", "oracle"].map { "\(folder.path)/\($0)" }, method: .ensemble, device: "cpu", threads: 1)
        } throws: { "\($0)".contains("its setting oracle (true) is not that of") }
    }

    /// What is left of a run that is done is never trained over.
    @Test func aFinishedRunNeedsNoCheckpoint() throws {
        let summary = try run("done").run()
        let before = try rows("done")
        try FileManager.default.removeItem(atPath: "\(folder.path)/done/checkpoint")
        #expect(try run("done").run() == summary)
        #expect(try rows("done") == before && !FileManager.default.fileExists(atPath: "\(folder.path)/done/checkpoint"))
        try FileManager.default.removeItem(atPath: "\(folder.path)/done/summary.json")
        #expect { try run("done").run() } throws: { "\($0)".contains("summary.json: missing; restore it") }
    }

    /// A signal while the averaged model is made: the last checkpoint stays the run's own.
    @Test func aSignalAtTheEndChangesNoCheckpoint() throws {
        var configuration = configuration
        configuration.averaging = AveragingSettings(.ema)
        configuration.averaging.batchNormBatches = 2
        let whole = try run("whole", configuration).run()
        let broken = Broken(at: nil)
        func attempt() throws -> RunSummary {
            try TrainingRun(
                configuration, folder: "\(folder.path)/parts", registry: AlgorithmRegistry([broken.description]),
                threads: 1
            ) { _ in }.run()
        }
        #expect(throws: Interruption.self) { try attempt() }
        #expect(bytes("parts", step: 6) == bytes("whole", step: 6))
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/parts/failed"))
        broken.isMended.store(true, ordering: .relaxed)
        #expect(try attempt().averaged == whole.averaged)
        #expect(try rows("parts") == rows("whole"))
    }

    /// With nothing to choose by the last checkpoint counts, and the user is told; so of what never begins.
    @Test func warnsOfWhatCannotBe() throws {
        let warnings = Mutex<[String]>([])
        var configuration = configuration
        configuration.holdoutFraction = 0
        configuration.algorithm = .init(name: "Fishr")
        let made = try run("warned", configuration) { event in
            if case .warning(let text) = event { warnings.withLock { $0.append(text) } }
        }
        #expect(try made.run().selected.step == 6)
        let said = warnings.withLock { $0 }
        #expect(said.contains { $0.hasPrefix("no source domain has images for validation") })
        #expect(said.contains { $0.hasPrefix("Fishr: the penalty begins after step 1500, and the run has 6") })
    }

    /// The second model of an ensemble sees the images as it was trained on them.
    @Test func ensemblesNormaliseForEachModel() throws {
        var configuration = configuration
        (configuration.steps, configuration.evaluateEvery) = (1, 1)
        _ = try run("lite", configuration).run()
        configuration.backbone.name = "resnet18"
        _ = try run("resnet", configuration).run()
        let paths = ["lite", "resnet"].map { "\(folder.path)/\($0)" }
        let models = try paths.map { try TrainedModel(run: $0, device: "cpu", threads: 1) }
        #expect(models[0].pipeline.normalization != models[1].pipeline.normalization)
        let image = RGBImage(width: 32, height: 32, pixels: (0..<3072).map { UInt8($0 % 251) })
        let inputs = models.map { model in
            ClassifierInput(
                model.pipeline.tensor([image], size: 32) { SeededGenerator(seed: 0, domain: 0, step: 0, index: $0) })
        }
        models[1].classifier.evaluating {
            let (own, other) = (models[1].logits(inputs[1]), models[1].logits(inputs[0], normalisedFor: models[0]))
            #expect((own - other).abs().max().item() < 1e-4)
            #expect((own - models[1].logits(inputs[0])).abs().max().item() > 1e-3)
        }
        _ = try RunCombination(paths, method: .ensemble, device: "cpu", threads: 1)
    }

    private func run(_ name: String, changed change: (inout RunConfiguration) -> Void) throws -> TrainingRun {
        var configuration = configuration
        change(&configuration)
        return try run(name, configuration)
    }

    @Test func leavesOutWhatCannotBeRead() throws {
        let bad = "\(configuration.data)/a/cat/bad.png"
        try Data("text".utf8).write(to: URL(fileURLWithPath: bad))
        #expect { try run("corrupt") } throws: { error in
            "\(error)".hasPrefix("\(bad): not an image") && "\(error)".hasSuffix("--skip-corrupt")
        }
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/corrupt"))
        var lenient = configuration
        lenient.skipCorrupt = true
        let warned = Mutex("")
        let lenientRun = try run("lenient", lenient) { event in
            if case .warning(let text) = event { warned.withLock { $0 = text } }
        }
        #expect(lenientRun.context.dataset.items.count == 24)
        #expect(warned.withLock { $0 }.hasPrefix("left out 1 images that cannot be read: \(bad)"))
    }

    @Test func refusesToHoldOutEverything() throws {
        var configuration = configuration
        configuration.testDomains = ["a", "b", "c"]
        #expect { try run("none", configuration) } throws: { "\($0)".hasPrefix("all domains are held out") }
        configuration.testDomains = ["d"]
        #expect { try run("none", configuration) } throws: { "\($0)".contains("no domain 'd'") }
    }
}
