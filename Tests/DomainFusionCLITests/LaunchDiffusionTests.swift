import Foundation
import Foundations
import Testing
import Torch

/// Several processes that train with a diffusion model.
@Suite(.serialized)
struct LaunchDiffusionTests {
    let program: Program
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DiffusionTests/Fixtures/sd1").path

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    /// Eight steps of the smallest network without anything that processes draw for themselves.
    private func training(_ folder: String, store: String, _ more: [String]) -> [String] {
        [
            "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32", "--batch-size",
            "4", "--steps", "8", "--save-every", "4", "--evaluate-every", "4", "--threads", "1", "--device", "cpu",
            "--set", "backbone.freezeBatchNorm=true", "--set", "backbone.dropout=0", "--learning-rate", "5e-5", "--ldm",
            model, "--store", store, "--run-dir", folder,
        ] + more
    }

    /// The largest difference between numbers of the models of two runs.
    private func difference(_ one: String, _ other: String) throws -> Double {
        let models = try [one, other].map {
            try StateDict(safetensors: "\(program.folder)/\($0)/checkpoint/step-8/model.safetensors")
        }
        return try models[0].names.map { name in
            let (a, b) = (try #require(models[0][name]), try #require(models[1][name]))
            return (a.to(dtype: .float64) - b.to(dtype: .float64)).abs().max().item()
        }.max() ?? .infinity
    }

    private func ledger(_ folder: String) throws -> [String: JSONValue] {
        let data = try #require(program.contents("\(folder)/ledger.json"))
        return try #require(JSONValue(json: data)?.object)
    }

    static let parts: [[String]] = [
        [
            "--algorithm", "DomainFusion", "--set", "algorithm.hyperparameters.distillation.mode=curve", "--set",
            "algorithm.hyperparameters.distillation.nodes=3", "--set", "algorithm.hyperparameters.distillation.draws=1",
            "--set", "algorithm.hyperparameters.augmentation.steps=2", "--set",
            "algorithm.hyperparameters.augmentation.candidates=2", "--set",
            "algorithm.hyperparameters.augmentation.batchSize=2", "--set",
            "algorithm.hyperparameters.augmentation.everyEpochs=2",
        ],
        [
            "--algorithm", "ERM", "--images", "ola", "--features", "ldm", "--set", "images.ola.steps=2", "--set",
            "images.ola.candidates=2", "--set", "images.ola.batchSize=2", "--set", "images.ola.everyEpochs=2", "--set",
            "images.ola.start=raw", "--term", "consistency",
        ],
    ]

    /// The curves, candidates and features are made once, by whoever's share they are. The parameters are those of one process
    /// that takes the same images in two parts: to the bit, since all sums are of the same numbers.
    @Test(arguments: parts) func theyShareTheModelsWork(_ part: [String]) throws {
        let one = try program.run(training("one", store: "alone", part + ["--set", "accumulation=2"]))
        #expect(one.status == 0, "\(one.errors)")
        let two = try program.run(["launch", "--nproc", "2"] + training("two", store: "shared", part))
        #expect(two.status == 0, "\(two.errors)")
        #expect(try difference("one", "two") == 0)
        for file in ["synthetic/manifest.jsonl", "synthetic/manifest.sha256"] {
            #expect(
                program.contents("one/\(file)") != nil
                    && program.contents("one/\(file)") == program.contents("two/\(file)"))
        }
        let (alone, shared) = (try ledger("one"), try ledger("two"))
        for name in ["generatedUsed", "generatedMade", "composedUsed", "unetEvaluations", "vaePasses"] {
            #expect(alone[name] != nil && alone[name] == shared[name], "\(name)")
        }
    }
}
