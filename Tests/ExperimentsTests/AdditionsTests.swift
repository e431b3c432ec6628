import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import Experiments

/// Latent distillation and online augmentation on algorithms that know of neither, by the tiny model of the diffusion tests.
struct AdditionsTests {
    private let folder: TemporaryFolder
    private let configuration: RunConfiguration

    init() throws {
        folder = try TemporaryFolder()
        var configuration = RunConfiguration()
        configuration.data = try folder.makeDataset(count: 3)
        configuration.store = folder.path("store")
        configuration.testDomains = ["c"]
        configuration.backbone.weights = "none"
        configuration.imageSize = 32
        configuration.batchSize = 2
        configuration.steps = 4
        configuration.evaluateEvery = 4
        configuration.saveEvery = 2
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        configuration.diffusion = ["ldm": .string(tests.appendingPathComponent("DiffusionTests/Fixtures/sd1").path)]
        self.configuration = configuration
    }

    private static let distillation: JSONValue = ["nodes": 2, "draws": 1, "prompt": "a {class}"]
    private static let augmentation: JSONValue = [
        "candidates": 1, "steps": 2, "budget": 4, "everyEpochs": 1, "prompts": ["a {class}"],
    ]

    private func added(
        to algorithm: String, term: Bool, images: Bool, features: Bool = false
    ) throws -> RunConfiguration {
        var result = configuration
        result.algorithm.name = algorithm
        if algorithm == "DomainFusion" {
            result.algorithm.hyperparameters = [
                "ldm": configuration.diffusion?["ldm"] ?? .null, "distillation": ["mode": "off"],
                "augmentation": Self.augmentation,
            ]
        }
        if algorithm == "MODE-A" {
            result.algorithm.hyperparameters = [
                "ldm": configuration.diffusion?["ldm"] ?? .null, "exploration": ["steps": 1],
            ]
        }
        if term { result.terms = ["ld": Self.distillation] }
        if images { result.images = ["ola": Self.augmentation] }
        if features { result.features = ["ldm": ["times": [50, 450]]] }
        return result
    }

    /// Trains, with a copy of the folder at step 2 that goes on by itself.
    private func resumes(_ configuration: RunConfiguration) throws -> RunSummary {
        let (whole, half) = (folder.path("whole"), folder.path("half"))
        let run = try TrainingRun(configuration, folder: whole, registry: .all, threads: 1) { _ in }
        let summary = try run.run()
        // What a run that was killed after its checkpoint of step 2 left.
        try FileManager.default.copyItem(atPath: whole, toPath: half)
        for name in ["done", "summary.json", "predictions.jsonl", "results.jsonl", "checkpoint/step-4"] {
            try #require(Files.exists("\(half)/\(name)"))
            Files.remove("\(half)/\(name)")
        }
        _ = try TrainingRun(configuration, folder: half, registry: .all, threads: 1) { _ in }.run()
        for file in [
            "checkpoint/step-4/model.safetensors", "checkpoint/step-4/optimizer.safetensors", "predictions.jsonl",
        ] {
            let bytes = try #require(Files.contents("\(whole)/\(file)"))
            #expect(Files.contents("\(half)/\(file)") == bytes, "\(file)")
        }
        return summary
    }

    @Test(arguments: [
        ("MODE-A", true, false, false), ("CORAL", false, true, false), ("MIRO", true, true, false),
        ("FourierMix", false, true, true), ("DomainFusion", false, false, true),
    ])
    func resumesToTheSameBytes(_ algorithm: String, term: Bool, images: Bool, features: Bool) throws {
        let summary = try resumes(added(to: algorithm, term: term, images: images, features: features))
        let isAugmented = images || algorithm == "DomainFusion"
        #expect((summary.totals["images_generated"] ?? 0 > 0) == isAugmented)
        #expect((summary.totals["curves_seconds"] ?? 0 > 0) == term)
        #expect(Files.exists(folder.path("whole/synthetic/manifest.jsonl")) == isAugmented)
        let row = try #require(try RunDirectory(existing: folder.path("whole")).rows().last)
        // In the first of the rounds nothing is more like the source than itself.
        let share = row.values["ola_source_content"]?.double
        #expect(isAugmented ? (0.25...1).contains(share ?? 0) : share == nil)
        #expect(row.values["ola_unchanged"]?.double == (isAugmented ? 0 : nil))
        let names =
            [algorithm] + (images ? ["ola"] : []) + (term ? ["ld"] : []) + (features ? ["ldm features"] : [])
        #expect(
            Set(try #require(row.values["args"]?["algorithm"]?.string).split(separator: " + "))
                == Set(names.map { $0[...] }))
    }

    /// Rounds that a thread makes ahead are those of a run that waits for each, beside all else that asks the model, and when the
    /// run was killed.
    @Test func roundsAheadAreThoseInSequence() throws {
        var waiting = try added(to: "ERM", term: true, images: true, features: true)
        waiting.terms = ["ld": ["mode": "online", "draws": 1, "prompt": "a {class}"]]
        var ahead = waiting
        ahead.images?["ola"] = .object((Self.augmentation.object ?? [:]).merging(["ahead": true]) { $1 })
        ahead.store = folder.path("another-store")
        _ = try resumes(ahead)
        let sequence = folder.path("sequence")
        _ = try TrainingRun(waiting, folder: sequence, registry: .all, threads: 1) { _ in }.run()
        let files = try FileManager.default.subpathsOfDirectory(atPath: "\(sequence)/synthetic").filter {
            $0.contains(".")
        }.map { "synthetic/\($0)" }
        #expect(files.contains("synthetic/manifest.jsonl") && files.contains { $0.hasSuffix("-r2-0.png") })
        for file in files + ["checkpoint/step-4/model.safetensors", "predictions.jsonl"] {
            let bytes = try #require(Files.contents("\(sequence)/\(file)"))
            #expect(Files.contents(folder.path("whole/\(file)")) == bytes, "\(file)")
        }
        let ledgers = try ["sequence", "whole"].map { try Ledger(path: folder.path("\($0)/ledger.json")) }
        #expect(ledgers[0].generatedMade == ledgers[1].generatedMade && ledgers[0].generatedMade == 8)
        #expect(ledgers[0].composedMade == ledgers[1].composedMade)
        #expect(ledgers[0].unetEvaluations == ledgers[1].unetEvaluations)
    }

    /// What looks below the logits: the diffusion model's features as what the classifier's are to tell, a mask of confidences, and
    /// statistics of their own for synthetic images. All resume to the same bytes.
    @Test(arguments: [("ERM", "cosine"), ("CORAL", "relations")])
    func widerChannelsResume(_ algorithm: String, form: JSONValue) throws {
        var wider = try added(to: algorithm, term: false, images: true, features: algorithm == "CORAL")
        wider.imageSize = 64  // a minibatch of one synthetic image needs maps of more than one place
        wider.images?["ola"] = .object((Self.augmentation.object ?? [:]).merging(["batchNorm": "own"]) { $1 })
        wider.terms = [
            "lfd": ["form": form, "features": ["times": [50, 450]]],
            "ld": ["mode": "autograd", "channel": "mask", "prompt": "a {class}"],
        ]
        _ = try resumes(wider)
        let row = try #require(try RunDirectory(existing: folder.path("whole")).rows().last)
        let distance = try #require(row.values["lfd"]?.double)
        #expect(distance > 0 && distance < 2)
        let kept = try StateDict(contentsOf: folder.path("whole/checkpoint/step-4/optimizer.safetensors"))
        #expect((kept["term1.0.weight"] != nil) == (form == "cosine"))
        // Without statistics of their own the synthetic images give another model.
        wider.images?["ola"] = Self.augmentation
        _ = try TrainingRun(wider, folder: folder.path("shared"), registry: .all, threads: 1) { _ in }.run()
        let model = "checkpoint/step-4/model.safetensors"
        #expect(Files.contents(folder.path("shared/\(model)")) != Files.contents(folder.path("whole/\(model)")))

        func message(_ change: (inout RunConfiguration) -> Void) -> String? {
            var changed = wider
            change(&changed)
            return #expect(throws: UserError.self) {
                _ = try TrainingRun(changed, folder: folder.path("r"), registry: .all, threads: 1) { _ in }
            }?.message
        }
        #expect(message { $0.terms = ["ld": ["channel": "mask"]] }?.contains("a mask takes mode autograd") == true)
        #expect(message { $0.backbone.name = "convnext_tiny" }?.contains("set channel to scalar") == true)
    }

    /// A model with features predicts files as it was evaluated, also where the store is gone; a stranger's features change what
    /// it says.
    @Test(arguments: ["early", "late"]) func modelsWithFeaturesPredict(_ fusion: JSONValue) throws {
        let run = folder.path("run")
        var joined = try added(to: "ERM", term: false, images: false, features: true)
        joined.features = ["ldm": ["times": [50, 450], "fusion": fusion]]
        _ = try TrainingRun(joined, folder: run, registry: .all, threads: 1) { _ in }.run()
        try #require(Files.exists(folder.path("store/features")))
        Files.remove(folder.path("store"))
        let model = try TrainedModel(run: run, threads: 1)
        let width = try #require(model.classifier.options.frozenFeatures?.width)
        let own = model.classifier.backbone.featureCount
        #expect(model.classifier.head.weight.shape == [2, fusion == "early" ? own + width : own])
        let lines = try String(contentsOfFile: "\(run)/predictions.jsonl", encoding: .utf8).split(separator: "\n")
        for line in lines {
            let record = try #require(JSONValue(json: Data(line.utf8)))
            let (name, loss) = (try #require(record["image"]?.string), try #require(record["loss"]?.double))
            let label = try #require(model.classes.firstIndex(of: record["class"]?.string ?? ""))
            let image = try ImageFile.decode("\(configuration.data)/\(name)")
            let probability = try model.probabilities([image])[0][label]
            #expect(abs(-log(probability) - loss) < 1e-4, "\(name)")
        }
        // The ensemble of a model with itself is the model; with one that has no features it is refused.
        let dataset = try ImageFolder(configuration.data)
        let alone = try model.scores(on: dataset, threads: 1)
        let twice = try RunCombination([run, run], method: .ensemble, threads: 1).scores(on: dataset, threads: 1)
        #expect(alone.map(\.accuracy) == twice.map(\.accuracy))
        var plain = configuration
        plain.diffusion = nil
        let other = folder.path("plain")
        _ = try TrainingRun(plain, folder: other, registry: .all, threads: 1) { _ in }.run()
        #expect(
            #expect(throws: UserError.self) { try RunCombination([run, other], method: .ensemble, threads: 1) }?
                .message.contains("frozen features") == true)
    }

    /// What features add to a finished run is what a run with them predicts: it was trained alike.
    @Test func fusionOfAFinishedRunIsARunWithFeatures() throws {
        var plain = configuration
        plain.diffusion = nil
        _ = try TrainingRun(plain, folder: folder.path("plain"), registry: .all, threads: 1) { _ in }.run()
        var joined = configuration
        joined.features = ["ldm": ["times": [50, 450], "weight": 3]]
        _ = try TrainingRun(joined, folder: folder.path("joined"), registry: .all, threads: 1) { _ in }.run()
        let model = try TrainedModel(run: folder.path("joined"), threads: 1)
        let features = try #require(model.frozenFeatures)
        var fusion = FeatureFusion(weights: [0.5, 3], penalty: 0.1)
        var tables = FusionTables()
        try fusion.add(folder.path("plain"), [("up0", features)], tables: &tables, threads: 1)
        try fusion.add(folder.path("plain"), [("up0", features)], tables: &tables, threads: 1)
        let row = try #require(fusion.rows.first)
        #expect(fusion.rows.count == 1 && row.domains == ["c"] && row.method == "ERM" && fusion.weights == [0, 0.5, 3])
        for (run, place) in [("plain", 0), ("joined", 2)] {
            let lines = try String(contentsOfFile: folder.path("\(run)/predictions.jsonl"), encoding: .utf8).split(
                separator: "\n")
            let records = lines.compactMap { JSONValue(json: Data($0.utf8)) }.filter { $0["domain"] == "c" }
            let right = records.count { $0["class"] == $0["predicted"] }
            #expect(row.target[place] == Double(right) / Double(records.count), "\(run)")
        }
        #expect(fusion.text().contains("λ 0.5"))
        #expect(throws: UserError.self) {
            try fusion.add(folder.path("joined"), [("up0", features)], tables: &tables, threads: 1)
        }
    }

    @Test func impossibleFeaturesAreNamed() throws {
        func message(_ settings: JSONValue) -> String? {
            var changed = configuration
            changed.features = ["ldm": settings]
            return #expect(throws: UserError.self) {
                try TrainingRun(changed, folder: folder.path("r"), registry: .all, threads: 1) { _ in }
            }?.message
        }
        #expect(message(["block": "up9"])?.contains("has no block up9; it has down0, ") == true)
        #expect(
            message(["block": "top"]) == "features.ldm.block: 'top' is no block; write down0, down1 …, mid, up0, up1 …")
        #expect(message(["times": [50, 1000]])?.hasPrefix("times: 1000 is not below 1000") == true)
        #expect(message(["times": []])?.hasPrefix("features.ldm.times: no time step") == true)
        #expect(
            message(["control": "noise"])?.hasPrefix("features.ldm.control: 'noise' is none of none, shuffled") == true)
        #expect(message(["dropout": 1]) != nil)
    }

    /// A student learns from a joined model, on source images and on those that the diffusion model makes, and is consistent over
    /// both; it resumes to the same bytes, and predicts without features.
    @Test(arguments: ["ERM", "Mixup"])
    func studentsLearnFromTeachers(_ algorithm: String) throws {
        let teacher = folder.path("teacher")
        _ = try TrainingRun(
            added(to: "ERM", term: false, images: false, features: true), folder: teacher, registry: .all, threads: 1
        ) { _ in }.run()
        var student = try added(to: algorithm, term: false, images: true)
        student.terms = ["teacher": ["run": .string(teacher)], "consistency": ["control": "other-of-class"]]
        _ = try resumes(student)
        let row = try #require(try RunDirectory(existing: folder.path("whole")).rows().last)
        for name in ["teacher_loss", "consistency"] { #expect(try #require(row.values[name]?.double) > 0, "\(name)") }
        let model = try TrainedModel(run: folder.path("whole"), threads: 1)
        #expect(model.frozenFeatures == nil && model.classifier.options.frozenFeatures == nil)

        func message(_ change: (inout RunConfiguration) -> Void) -> String? {
            var changed = student
            change(&changed)
            return #expect(throws: UserError.self) {
                _ = try TrainingRun(changed, folder: folder.path("r"), registry: .all, threads: 1) { _ in }.run()
            }?.message
        }
        #expect(message { $0.terms = ["teacher": [:]] }?.hasPrefix("terms.teacher.run: name the folder") == true)
        #expect(message { $0.terms = ["teacher": ["run": "none"]] }?.contains("none") == true)
        #expect(message { $0.testDomains = ["a"] }?.contains("has seen a") == true)
        #expect(message { $0.imageSize = 64 }?.contains("--image-size 32") == true)
        #expect(
            message { ($0.images, $0.terms) = (nil, ["consistency": [:]]) }
                == "terms.consistency: there are no images to compare with; add some with --images ola")
    }

    /// LD on ERM is DomainFusion without augmentation, to the byte.
    @Test func distillationOfERMIsDomainFusions() throws {
        let extended = try added(to: "ERM", term: true, images: false)
        _ = try TrainingRun(extended, folder: folder.path("a"), registry: .all, threads: 1) { _ in }.run()
        var fusion = configuration
        fusion.diffusion = nil
        fusion.algorithm.name = "DomainFusion"
        fusion.algorithm.hyperparameters = [
            "ldm": configuration.diffusion?["ldm"] ?? .null, "distillation": Self.distillation,
            "augmentation": ["weight": 0],
        ]
        _ = try TrainingRun(fusion, folder: folder.path("b"), registry: .all, threads: 1) { _ in }.run()
        let model = try #require(Files.contents(folder.path("a/checkpoint/step-4/model.safetensors")))
        #expect(Files.contents(folder.path("b/checkpoint/step-4/model.safetensors")) == model)
    }

    @Test func mistakesAreNamed() throws {
        func message(_ change: (inout RunConfiguration) -> Void) -> String? {
            var changed = configuration
            change(&changed)
            return #expect(throws: UserError.self) { try Additions.resolved(changed) }?.message
        }
        #expect(message { $0.terms = ["lda": [:]] } == "terms: no 'lda'; did you mean ld or lfd?")
        #expect(message { $0.images = ["cdga": [:]] } == "images: no 'cdga'; known: ola")
        #expect(
            message { $0.terms = ["ld": ["weihgt": 1]] } == "terms.ld: unknown setting 'weihgt'; did you mean weight?")
        #expect(message { $0.terms = ["ld": ["weight": -1]] } == "terms.ld.weight: -1.0 is below 0")
        #expect(
            message { $0.images = ["ola": ["weight": 2]] }?.hasSuffix(
                "set how many are synthetic with images.ola.share") == true)
        #expect(message { _ in }?.hasPrefix("diffusion: nothing asks the model; add a term") == true)
        let plain = RunConfiguration()
        #expect(throws: UserError.self) { try plain.changed(by: ["terms": ["ld": 1]], source: "x.yaml") }
        let changed = try plain.changed(by: ["terms": ["ld": ["weight": 0.5]]], source: "x.yaml")
            .changed(bySetting: "terms.ld.nodes=9")
        #expect(changed.terms == ["ld": ["weight": 0.5, "nodes": 9]])
        #expect(changed.methodName("CORAL") == "CORAL + ld")
    }

    /// What a sweep calls a member does not depend on what is written out of the defaults.
    @Test func membersOfSweepsAreKnownByTheirAdditions() throws {
        func name(_ change: (inout RunConfiguration) -> Void) throws -> String {
            var configuration = configuration
            configuration.diffusion = nil
            change(&configuration)
            return try SweepMember(configuration, dataset: "set", defaults: [:]).name
        }
        let (none, plain) = (try name { _ in }, try name { $0.terms = ["ld": [:]] })
        #expect(none != plain)
        #expect(try name { $0.terms = ["ld": ["weight": 1.0]] } == plain)
        #expect(try name { $0.terms = ["ld": ["weight": 2.0]] } != plain)
    }
}
