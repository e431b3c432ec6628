import Testing
import Torch

@testable import DomainGeneralization

/// Every algorithm steps each layer of the classifier at its own rate.
struct LayerDecayTests {
    /// The largest change of a parameter of the body and of the head after four steps.
    private func changes(_ name: String, layerDecay: Double) throws -> (body: Double, head: Double) {
        let fixture = try AlgorithmFixture(isReference: false, layerDecay: layerDecay)
        let algorithm = try AlgorithmRegistry.standard.algorithm(named: name)
            .make(AlgorithmResumeTests.settings[name] ?? .object([:]), context: fixture.context)
        let classifier = algorithm.classifier
        let before = classifier.store.entries.map { $0.tensor.detached().cloned() }
        for step in 0..<4 { _ = try algorithm.update(AlgorithmFixture.minibatches(step: step), step: step) }
        var changes = (body: 0.0, head: 0.0)
        for (entry, old) in zip(classifier.store.entries, before) where entry.isParameter {
            let change = (entry.tensor.detached() - old).abs().max().item()
            if entry.name.hasPrefix("head") {
                changes.head = max(changes.head, change)
            } else {
                changes.body = max(changes.body, change)
            }
        }
        return changes
    }

    @Test(arguments: AlgorithmRegistry.standard.algorithms.map(\.name))
    func theBodyIsSlower(_ name: String) throws {
        let equal = try changes(name, layerDecay: 1)
        let decayed = try changes(name, layerDecay: 0.01)
        #expect(equal.head > 1e-4 && decayed.head > 0.5 * equal.head)
        // Adam's first steps are as long as its rate.
        #expect(decayed.body < 0.02 * equal.body && decayed.body > 0.002 * equal.body, "\(equal) \(decayed)")
    }
}
