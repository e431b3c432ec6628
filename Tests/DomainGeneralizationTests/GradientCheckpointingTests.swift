import Testing
import Torch

@testable import DomainGeneralization

/// No algorithm computes anything else with gradient checkpointing.
struct GradientCheckpointingTests {
    /// What is logged, and all tensors, after three steps.
    private func trained(_ name: String, _ checkpointing: Bool) throws -> (log: [Metric], values: [String: [Float]]) {
        let fixture = try AlgorithmFixture(isReference: false, gradientCheckpointing: checkpointing)
        let algorithm = try AlgorithmRegistry.standard.algorithm(named: name)
            .make(AlgorithmResumeTests.settings[name] ?? .object([:]), context: fixture.context)
        algorithm.classifier.isTraining = true
        var log: [Metric] = []
        for step in 0..<3 {
            log += try algorithm.update(AlgorithmFixture.minibatches(step: step), step: step)
                .filter { !$0.name.hasSuffix("_seconds") }
        }
        let entries = algorithm.classifier.store.entries
        return (
            log, Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.tensor.to(dtype: .float32).scalars()) })
        )
    }

    @Test(arguments: AlgorithmRegistry.standard.algorithms.map(\.name))
    func computesTheSame(_ name: String) throws {
        let (whole, checkpointed) = (try trained(name, false), try trained(name, true))
        #expect(checkpointed.log == whole.log)
        #expect(checkpointed.values == whole.values)
        #expect(whole.values["stem.norm.num_batches_tracked"] != [0])
    }
}
