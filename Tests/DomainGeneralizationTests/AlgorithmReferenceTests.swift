import Backbones
import Foundation
import Foundations
import Testing
import Torch

@testable import DomainGeneralization

/// Every algorithm against scripts/fixtures/algorithms: the losses and the state after some updates. An algorithm's
/// reference is Fixtures/algorithms/NAME.json; with other settings NAME.VARIANT.json.
struct AlgorithmReferenceTests {
    struct Case: Decodable, Sendable {
        let settings: JSONValue
        /// What is random in each step: a ``RandomizedAlgorithm/Draw``.
        let draws: [JSONValue]
        let metrics: [[String: Double]]
        let tensors: [String: [Double]]
        /// The algorithm's properties that hold further networks, each with the seed of its parameters.
        let stores: [String: UInt64]?
    }

    /// The names of the references.
    private static let references =
        (try? FileManager.default.contentsOfDirectory(atPath: fixture("algorithms")))?
        .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(".json".count)) }.sorted() ?? []

    @Test func everyAlgorithmHasOne() {
        #expect(Set(Self.references).isSuperset(of: AlgorithmRegistry.standard.algorithms.map(\.name)))
    }

    @Test(arguments: references) func agreesWithPyTorch(_ variant: String) throws {
        let reference = try JSONDecoder().decode(
            Case.self, from: Data(contentsOf: URL(fileURLWithPath: fixture("algorithms/\(variant).json"))))
        let name = try #require(variant.split(separator: ".").first.map(String.init))
        let fixture = try AlgorithmFixture(isReference: true)
        let algorithm = try AlgorithmRegistry.standard.algorithm(named: name)
            .make(reference.settings, context: fixture.context)
        AlgorithmFixture.fill(algorithm.classifier.store)
        for (property, seed) in reference.stores ?? [:] {
            let found = Mirror(reflecting: algorithm).descendant(property)
            let store = found as? ParameterStore ?? (found as? LearnedPart)?.store ?? (found as? Classifier)?.store
            AlgorithmFixture.fill(try #require(store, "\(name) has no \(property)"), seed: seed)
        }
        algorithm.classifier.isTraining = true
        #expect(reference.draws.isEmpty == !(algorithm is any RandomizedAlgorithm))
        var largest = 0.0
        for (step, expected) in reference.metrics.enumerated() {
            let minibatches = AlgorithmFixture.minibatches(step: step)
            let metrics =
                if let randomized = algorithm as? any RandomizedAlgorithm {
                    try randomized.update(minibatches, given: reference.draws[step], step: step)
                } else { try algorithm.update(minibatches, step: step) }
            for (key, value) in expected {
                let found = try #require(metrics.first { $0.name == key }?.value)
                let error = abs(found - value) / max(abs(value), 0.01)
                #expect(error <= 1e-4, "\(name), step \(step): \(key) \(found), not \(value)")
                largest = max(largest, error)
            }
        }
        let state = algorithm.state.tensors
        for (key, expected) in reference.tensors {
            let isModel = key.hasPrefix("model.")
            let tensor = isModel ? algorithm.classifier.store[String(key.dropFirst("model.".count))] : state[key]
            let error = distance(try #require(tensor, "\(name) has no \(key)"), expected)
            #expect(error <= 1e-4, "\(name): \(key) is \(error) off")
            largest = max(largest, error)
        }
        // What the guide says of it.
        let row = try Self.guide().first { $0.name == name }
        if let row { #expect(largest < row.difference, "the guide's difference of \(name) is not above \(largest)") }
    }

    /// The guide's table of DomainBed's algorithms has all of them, each with its reference.
    @Test func theGuideListsDomainBedsAlgorithms() throws {
        let rows = try Self.guide()
        #expect(rows.map(\.domainBed) == DomainBedNames.algorithms)
        // Their defaults and draws are compared, too.
        #expect(Set(try HyperparameterSearchTests.records().map(\.algorithm)) == Set(DomainBedNames.algorithms))
        for row in rows {
            let algorithm = try AlgorithmRegistry.standard.algorithm(named: row.name)
            #expect(algorithm.domainBedName == row.domainBed && algorithm.name == row.name)
            let maker = try String(
                contentsOf: Self.root.appendingPathComponent("scripts/fixtures/algorithms/\(row.reference)"),
                encoding: .utf8)
            let isThere = maker.contains("class \(row.name)(") || maker.contains("name = \"\(row.name)\"")
            #expect(isThere, "\(row.reference) has no \(row.name)")
        }
    }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The rows `| DomainBed's name | ours | reference | largest difference |`.
    private static func guide() throws -> [(domainBed: String, name: String, reference: String, difference: Double)] {
        let page = try String(
            contentsOf: root.appendingPathComponent("Documentation/Guide.docc/Algorithms.md"), encoding: .utf8)
        return page.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
            guard cells.count == 4, let difference = Double(cells[3]) else { return nil }
            return (cells[0], cells[1], cells[2], difference)
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
