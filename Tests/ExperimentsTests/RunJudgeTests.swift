import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import Experiments

struct RunJudgeTests {
    let folder: TemporaryFolder
    let configuration: RunConfiguration

    init() throws {
        folder = try TemporaryFolder()
        var configuration = RunConfiguration()
        configuration.data = try folder.makeDataset(count: 4)
        configuration.testDomains = ["c"]
        configuration.backbone.weights = "none"
        configuration.imageSize = 32
        configuration.batchSize = 2
        configuration.steps = 1
        self.configuration = configuration
    }

    private func run(_ name: String, _ change: (inout RunConfiguration) -> Void = { _ in }) throws -> TrainingRun {
        var configuration = configuration
        change(&configuration)
        return try TrainingRun(
            configuration, folder: "\(folder.path)/\(name)", registry: .standard, threads: 1, report: { _ in })
    }

    /// The one-line error of a judge for a run.
    private func refusal(_ name: String, for context: AlgorithmContext) -> String? {
        #expect(throws: UserError.self) { _ = try RunJudge.load("\(folder.path)/\(name)", for: context) }?.message
    }

    @Test func saysWhatTheRunsClassifierSays() throws {
        let training = try run("judge")
        #expect(refusal("judge", for: training.context)?.contains("is not done") == true)
        _ = try training.run()
        let judge = try RunJudge.load("\(folder.path)/judge", for: training.context)
        #expect(judge.fingerprint.count == 64)

        // More images than go through the classifier at a time, of another size than it takes.
        var generator = SeededGenerator(seed: 3)
        let images = (0..<70).map { _ in
            RGBImage(width: 20, height: 20, pixels: (0..<1200).map { _ in UInt8(generator.below(256)) })
        }
        let labels = images.indices.map { $0 % 2 }
        let given = try judge.probabilities(Tensor.concatenated(images.map { $0.tensor() }), labels)
        let model = try TrainedModel(run: "\(folder.path)/judge", device: "cpu", threads: 1)
        let expected = try images.indices.map { try model.probabilities([images[$0]])[0][labels[$0]] }
        #expect(given.count == 70)
        #expect(zip(given, expected).allSatisfy { abs($0 - $1) < 1e-5 })
        #expect(Set(given).count > 10)
    }

    @Test func refusesWhatHasSeenTheUnseenDomain() throws {
        _ = try run("judge").run()
        _ = try run("both") { $0.testDomains = ["b", "c"] }.run()
        _ = try run("oracle") { $0.oracle = true }.run()
        let own = try run("own").context
        _ = try RunJudge.load("\(folder.path)/both", for: own)
        #expect(refusal("oracle", for: own)?.contains("has seen c, which this run holds out") == true)
        let others = try run("others") { $0.testDomains = ["a", "c"] }.context
        #expect(refusal("judge", for: others)?.contains("has seen a, which this run holds out") == true)
        // The same data in another place, and other data.
        let copy = try folder.makeDataset("copy", count: 4)
        _ = try RunJudge.load("\(folder.path)/judge", for: try run("moved") { $0.data = copy }.context)
        let other = try folder.makeDataset("other", count: 5)
        let elsewhere = try run("elsewhere") { $0.data = other }.context
        #expect(refusal("judge", for: elsewhere)?.contains("was trained on other images") == true)
        #expect(refusal("nowhere", for: own)?.contains("no run in this folder") == true)
    }
}
