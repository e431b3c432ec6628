import Testing
import Torch

@testable import DomainGeneralization

/// A step's images one part after the other, and images that come once an epoch.
struct StepPartsTests {
    /// The parameters after four steps, and the metrics of the last.
    private func trained(_ algorithm: String, accumulation: Int) throws -> (Tensor, [Metric]) {
        let fixture = try AlgorithmFixture(isReference: true, accumulation: accumulation)
        let registry = AlgorithmRegistry.standard
        let algorithm = try registry.algorithm(named: algorithm).make([:], context: fixture.context)
        var last: [Metric] = []
        _ = try Trainer(algorithm, context: fixture.context).train(0..<4) { last = $1 }
        let parameters = algorithm.classifier.store.parameters.map { $0.detached().flattened(from: 0) }
        return (Tensor.concatenated(parameters), last)
    }

    @Test(arguments: ["ERM", "Mixup", "MIRO"], [2, 6])
    func partsTakeTheStepOfTheWhole(_ algorithm: String, _ count: Int) throws {
        let (whole, metrics) = try trained(algorithm, accumulation: 1)
        let (parts, ofParts) = try trained(algorithm, accumulation: count)
        #expect((whole - parts).abs().max().item() < 1e-5)
        #expect(metrics.map(\.name) == ofParts.map(\.name))
        let loss = try #require(metrics.first { $0.name == "loss" }).value
        #expect(abs(try #require(ofParts.first { $0.name == "loss" }).value - loss) < 1e-5)
    }

    @Test func everyImageComesOnceAnEpoch() throws {
        let loader = MinibatchLoader(try AlgorithmFixture(isReference: true, sampling: .epoch).context)
        let pool = try AlgorithmFixture(isReference: true).context.split.training[1].sorted()
        // Batches of 6 of 10 images: 5 steps are 3 epochs, of which the middle one begins and ends within a step.
        #expect(pool.count == 10)
        let drawn = (0..<5).flatMap { loader.items(step: $0, environment: 1) }
        let epochs = [0..<10, 10..<20, 20..<30].map { Array(drawn[$0]) }
        for epoch in epochs { #expect(epoch.sorted() == pool) }
        #expect(Set(epochs).count == 3)
        #expect(loader.items(step: 0, environment: 0) != loader.items(step: 0, environment: 2).map { $0 - 24 })
    }
}
