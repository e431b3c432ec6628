import Foundation
import Foundations
import Testing
import Torch

@testable import DomainGeneralization

/// Every algorithm against scripts/fixtures/algorithms.py: the losses and the state after some updates.
struct AlgorithmReferenceTests {
    struct Case: Decodable, Sendable {
        let settings: JSONValue
        /// What is random in each step.
        let draws: [JSONValue]
        let metrics: [[String: Double]]
        let tensors: [String: [Double]]
    }

    static let cases: [String: Case] = {
        guard let path = try? fixture("algorithms.json"), let data = FileManager.default.contents(atPath: path),
            let cases = try? JSONDecoder().decode([String: Case].self, from: data)
        else { return [:] }
        return cases
    }()

    @Test func coversTheRegistry() {
        // FourierMix is tested by itself: it is FACT's augmentation.
        let names = AlgorithmRegistry.standard.algorithms.map(\.name).filter { $0 != "FourierMix" }
        #expect(Set(Self.cases.keys) == Set(names))
    }

    @Test(arguments: cases.keys.sorted()) func agreesWithPyTorch(_ name: String) throws {
        let reference = try #require(Self.cases[name])
        let fixture = try AlgorithmFixture(isReference: true)
        let algorithm = try AlgorithmRegistry.standard.algorithm(named: name)
            .make(reference.settings, context: fixture.context)
        prepare(algorithm)
        algorithm.classifier.isTraining = true
        for (step, expected) in reference.metrics.enumerated() {
            let draw = reference.draws.isEmpty ? JSONValue.null : reference.draws[step]
            let metrics = try update(algorithm, AlgorithmFixture.minibatches(step: step), draw, step: step)
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

    /// Gives all parameters the reference's values.
    private func prepare(_ algorithm: any Algorithm) {
        AlgorithmFixture.fill(algorithm.classifier.store)
        if let selfReg = algorithm as? SelfReg { AlgorithmFixture.fill(selfReg.store, seed: 200) }
        for part in ["discriminator", "style"] {
            let tensors = algorithm.state.part(part)
            AlgorithmFixture.fill(tensors.names.compactMap { tensors[$0] }, seed: 200)
        }
    }

    /// One update with given random choices.
    private func update(
        _ algorithm: any Algorithm, _ minibatches: [Minibatch], _ draw: JSONValue, step: Int
    ) throws -> [Metric] {
        switch algorithm {
        case let mixup as Mixup:
            return try mixup.update(
                minibatches, .init(order: draw.ints("order"), weights: draw.doubles("weights")), step: step)
        case let mixStyle as MixStyle: return try mixStyle.mixing.update(minibatches, draw.levels, step: step)
        case let efdMix as EFDMix: return try efdMix.mixing.update(minibatches, draw.levels, step: step)
        case let mode as MODEF:
            return try mode.update(minibatches, bank: draw.array?.map(\.integers) ?? [], step: step)
        case let fact as FACT:
            return try fact.update(
                minibatches, .init(partners: draw.ints("partners"), weights: draw.doubles("weights")), step: step)
        case let mldg as MLDG: return try mldg.update(minibatches, order: draw.integers, step: step)
        case let sagNet as SagNet:
            let passes = (draw.array ?? []).map {
                SagNet.Draw(partners: $0.ints("partners"), weights: $0.doubles("weights"))
            }
            return try sagNet.update(minibatches, passes, step: step)
        case let selfReg as SelfReg:
            let partners = (draw["partners"]?.array ?? []).map(\.integers)
            return try selfReg.update(
                minibatches, .init(partners: partners, weight: draw["weight"]?.double ?? .nan), step: step)
        default: return try algorithm.update(minibatches, step: step)
        }
    }
}

extension JSONValue {
    fileprivate var integers: [Int] { (array ?? []).compactMap(\.int) }
    fileprivate func ints(_ key: String) -> [Int] { self[key]?.integers ?? [] }
    fileprivate func doubles(_ key: String) -> [Double] { (self[key]?.array ?? []).compactMap(\.double) }
    fileprivate var levels: [Int: FeatureMixingDraw] {
        var result: [Int: FeatureMixingDraw] = [:]
        for (level, entry) in object ?? [:] {
            guard let level = Int(level) else { continue }
            result[level] = FeatureMixingDraw(partners: entry.ints("partners"), weights: entry.doubles("weights"))
        }
        return result
    }
}
