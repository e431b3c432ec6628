import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import TestSupport
import Testing

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

    private func added(to algorithm: String, term: Bool, images: Bool) throws -> RunConfiguration {
        var result = configuration
        result.algorithm.name = algorithm
        if algorithm == "MODE-A" {
            result.algorithm.hyperparameters = [
                "ldm": configuration.diffusion?["ldm"] ?? .null, "exploration": ["steps": 1],
            ]
        }
        if term { result.terms = ["ld": Self.distillation] }
        if images { result.images = ["ola": Self.augmentation] }
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

    @Test(arguments: [("MODE-A", true, false), ("CORAL", false, true), ("MIRO", true, true)])
    func resumesToTheSameBytes(_ algorithm: String, term: Bool, images: Bool) throws {
        let summary = try resumes(added(to: algorithm, term: term, images: images))
        #expect((summary.totals["images_generated"] ?? 0 > 0) == images)
        #expect((summary.totals["curves_seconds"] ?? 0 > 0) == term)
        #expect(Files.exists(folder.path("whole/synthetic/manifest.jsonl")) == images)
        let row = try #require(try RunDirectory(existing: folder.path("whole")).rows().last)
        // In the first of the rounds nothing is more like the source than itself.
        let share = row.values["ola_source_content"]?.double
        #expect(images ? (0.25...1).contains(share ?? 0) : share == nil)
        #expect(row.values["ola_unchanged"]?.double == (images ? 0 : nil))
        let names = [algorithm] + (images ? ["ola"] : []) + (term ? ["ld"] : [])
        #expect(
            Set(try #require(row.values["args"]?["algorithm"]?.string).split(separator: " + "))
                == Set(names.map { $0[...] }))
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
        #expect(message { $0.terms = ["lda": [:]] } == "terms: no 'lda'; did you mean ld?")
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
