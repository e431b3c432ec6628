import Backbones
import Foundation
import Foundations
import Testing
import Torch

@testable import DomainGeneralization

/// Every algorithm against scripts/fixtures/algorithms: the losses and the state after some updates. An algorithm's
/// reference is Fixtures/algorithms/NAME.json.
struct AlgorithmReferenceTests {
    struct Case: Decodable, Sendable {
        let settings: JSONValue
        /// What is random in each step: a ``RandomizedAlgorithm/Draw``.
        let draws: [JSONValue]
        let metrics: [[String: Double]]
        let tensors: [String: [Double]]
        /// The algorithm's property that holds further networks, whose parameters are given, too.
        let store: String?
    }

    @Test(arguments: AlgorithmRegistry.standard.algorithms.map(\.name)) func agreesWithPyTorch(_ name: String) throws {
        let reference = try JSONDecoder().decode(
            Case.self, from: Data(contentsOf: URL(fileURLWithPath: fixture("algorithms/\(name).json"))))
        let fixture = try AlgorithmFixture(isReference: true)
        let algorithm = try AlgorithmRegistry.standard.algorithm(named: name)
            .make(reference.settings, context: fixture.context)
        AlgorithmFixture.fill(algorithm.classifier.store)
        if let store = reference.store {
            let found = Mirror(reflecting: algorithm).descendant(store) as? ParameterStore
            AlgorithmFixture.fill(try #require(found, "\(name) has no \(store)"), seed: 200)
        }
        algorithm.classifier.isTraining = true
        #expect(reference.draws.isEmpty == !(algorithm is any RandomizedAlgorithm))
        for (step, expected) in reference.metrics.enumerated() {
            let minibatches = AlgorithmFixture.minibatches(step: step)
            let metrics =
                if let randomized = algorithm as? any RandomizedAlgorithm {
                    try randomized.update(minibatches, given: reference.draws[step], step: step)
                } else { try algorithm.update(minibatches, step: step) }
            for (key, value) in expected {
                let found = try #require(metrics.first { $0.name == key }?.value)
                #expect(
                    abs(found - value) <= 1e-4 * max(abs(value), 0.01),
                    "\(name), step \(step): \(key) \(found), not \(value)")
            }
        }
        let state = algorithm.state.tensors
        for (key, expected) in reference.tensors {
            let isModel = key.hasPrefix("model.")
            let tensor = isModel ? algorithm.classifier.store[String(key.dropFirst("model.".count))] : state[key]
            let error = distance(try #require(tensor, "\(name) has no \(key)"), expected)
            #expect(error <= 1e-4, "\(name): \(key) is \(error) off")
        }
    }

    /// The largest difference as a share of the largest value. Of long tensors the first 60 values and the norm count.
    private func distance(_ tensor: Tensor, _ expected: [Double]) -> Double {
        var values = tensor.scalars(Double.self)
        if values.count > 240 { values = Array(values.prefix(60)) + [tensor.detached().norm().item()] }
        guard values.count == expected.count else { return .infinity }
        let scale = max(1e-6, expected.map(abs).max() ?? 1)
        return zip(values, expected).map { $0.isFinite ? abs($0 - $1) / scale : .infinity }.max() ?? 0
    }
}

extension RandomizedAlgorithm {
    fileprivate func update(_ minibatches: [Minibatch], given draw: JSONValue, step: Int) throws -> [Metric] {
        try update(minibatches, draw.decoded(as: Draw.self), step: step)
    }
}
