import Foundations
import Testing
import Torch

@testable import DomainGeneralization

/// The batch-norm statistics of averaged parameters.
struct BatchNormStatisticsTests {
    private let fixture, still: AlgorithmFixture

    init() throws {
        fixture = try AlgorithmFixture(isReference: false)
        still = try AlgorithmFixture(isReference: false, learningRate: 0)
    }

    private func trainer(_ name: String, _ fixture: AlgorithmFixture, _ settings: JSONValue? = nil) throws -> Trainer {
        let algorithm = try AlgorithmRegistry.standard.algorithm(named: name)
            .make(settings ?? AlgorithmResumeTests.settings[name] ?? .object([:]), context: fixture.context)
        return Trainer(algorithm, context: fixture.context)
    }

    private func values(_ trainer: Trainer, _ isIncluded: (ParameterStore.Entry) -> Bool) -> [String: [Double]] {
        let entries = trainer.algorithm.classifier.store.entries.filter(isIncluded)
        return Dictionary(
            uniqueKeysWithValues: entries.map { ($0.name, $0.tensor.to(dtype: .float64).scalars()) })
    }

    /// What the algorithm shows its classifier is what counts: the statistics are those of training steps with a rate of 0.
    /// (ERM++ mixes the statistics of two networks in training.)
    @Test(arguments: AlgorithmRegistry.standard.algorithms.map(\.name).filter { $0 != "ERM++" })
    func areThoseOfTraining(_ name: String) throws {
        // Fish takes a share of its steps' statistics, as of their parameters.
        let trained = try trainer(name, still, name == "Fish" ? .object(["metaRate": .double(1)]) : nil)
        try trained.algorithm.classifier.store.averagingBatchNorm { _ = try trained.train(1..<4) { _, _ in } }
        let refreshed = try trainer(name, still)
        let before = values(refreshed) { $0.isParameter }
        try refreshed.refreshBatchNorm(1..<4)
        #expect(values(refreshed) { $0.isParameter } == before)
        let (found, expected) = (values(refreshed) { !$0.isParameter }, values(trained) { !$0.isParameter })
        #expect(found.keys == expected.keys)
        for (key, value) in found {
            let difference = zip(value, expected[key] ?? []).map { abs($0 - $1) }.max() ?? .infinity
            #expect(difference < 1e-5, "\(key)")
        }
        #expect(found["stem.norm.num_batches_tracked"]?[0] ?? 0 >= 3)
    }

    @Test(arguments: AlgorithmRegistry.standard.algorithms.map(\.name))
    func keepTheParameters(_ name: String) throws {
        let trainer = try trainer(name, fixture)
        _ = try trainer.train(0..<2) { _, _ in }
        let before = values(trainer) { $0.isParameter }
        try trainer.refreshBatchNorm(0..<2)
        #expect(values(trainer) { $0.isParameter } == before)
        #expect(trainer.algorithm.training.isHeld == false)
        _ = try trainer.train(2..<4) { _, _ in }
        #expect(values(trainer) { $0.isParameter } != before)
    }

    /// MODE's classifier sees changed images beside the minibatch, CORAL's one domain at a time.
    @Test(arguments: ["MODE-F", "CORAL"])
    func areNotThoseOfPlainMinibatches(_ name: String) throws {
        let (plain, other) = (try trainer("ERM", fixture), try trainer(name, fixture))
        try plain.refreshBatchNorm(0..<2)
        try other.refreshBatchNorm(0..<2)
        let key = "stem.norm.running_var"
        let variances = try [plain, other].map { try #require(values($0) { $0.name == key }[key]) }
        #expect(zip(variances[0], variances[1]).contains { abs($0 / $1 - 1) > 0.01 })
    }
}
