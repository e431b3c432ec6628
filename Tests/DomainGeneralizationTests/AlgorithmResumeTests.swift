import Foundation
import Foundations
import Testing
import Torch

@testable import DomainGeneralization

/// Every algorithm goes on from what a checkpoint keeps as if nothing had happened.
struct AlgorithmResumeTests {
    /// Settings under which something changes within six steps.
    static let settings: [String: JSONValue] = [
        "IRM": .object(["annealSteps": .int(3)]), "VREx": .object(["annealSteps": .int(4)]),
        "Fishr": .object(["annealSteps": .int(3), "penaltyWeight": .int(10)]),
        "ERM++": .object(["linearSteps": .int(1), "averagingStart": .int(3)]),
        "DANN": .object(["gradientPenalty": .double(0.1), "dropout": .double(0.1)]),
        "MixStyle": .object(["levels": .array([.int(0), .int(1)]), "partners": .string("otherDomain")]),
        "EFDMix": .object(["levels": .array([.int(1)])]), "MODE-F": .object(["steps": .int(2)]),
        "ANDMask": ["agreement": 0.3], "SANDMask": ["agreement": 0.3], "TRM": ["warmupSteps": 2],
        "IB_ERM": ["annealSteps": 3],
        "IB_IRM": ["bottleneck": ["annealSteps": 2], "invariance": ["annealSteps": 4]], "EQRM": ["burnInSteps": 3.0],
        "RDM": ["annealSteps": 3], "URM": ["output": "sigmoid"],
        "ADRMX": ["depth": 3, "width": 8, "dropout": 0.1, "discriminatorSteps": 1],
    ]

    private let fixture: AlgorithmFixture

    init() throws {
        fixture = try AlgorithmFixture(isReference: false)
    }

    private func trainer(_ description: AlgorithmDescription) throws -> Trainer {
        let settings = Self.settings[description.name] ?? .object([:])
        return Trainer(try description.make(settings, context: fixture.context), context: fixture.context)
    }

    /// What a step logs, without what the clock says.
    private func train(_ trainer: Trainer, _ steps: Range<Int>) throws -> [[Metric]] {
        var log: [[Metric]] = []
        _ = try trainer.train(steps) { _, metrics in
            log.append(metrics.filter { !$0.name.hasSuffix("_seconds") && $0.name != "step_time" })
        }
        return log
    }

    private func expectEqual(_ a: StateDict, _ b: StateDict, _ name: String) {
        #expect(a.names == b.names)
        for key in a.names {
            #expect(a[key]?.scalars(Float.self) == b[key]?.scalars(Float.self), "\(name): \(key)")
        }
    }

    @Test(arguments: AlgorithmRegistry.standard.algorithms.map(\.name))
    func resumesToTheSameBytes(_ name: String) throws {
        let description = try AlgorithmRegistry.standard.algorithm(named: name)
        let whole = try trainer(description)
        let log = try train(whole, 0..<6)
        #expect(log.joined().allSatisfy { $0.value.isFinite })

        let half = try trainer(description)
        #expect(try train(half, 0..<3) == Array(log[..<3]))
        let (model, other) = ("\(fixture.folder.path)/model.safetensors", "\(fixture.folder.path)/state.safetensors")
        try half.algorithm.classifier.store.state.write(safetensors: model)
        try half.algorithm.state.tensors.write(safetensors: other)

        let rest = try trainer(description)
        try rest.algorithm.classifier.store.load(StateDict(safetensors: model), name: model)
        try rest.algorithm.load(
            AlgorithmState(tensors: StateDict(safetensors: other), json: half.algorithm.state.json), name: other)
        #expect(try train(rest, 3..<6) == Array(log[3...]))
        expectEqual(rest.algorithm.classifier.store.state, whole.algorithm.classifier.store.state, name)
        expectEqual(rest.algorithm.state.tensors, whole.algorithm.state.tensors, name)

        // The saved model alone predicts what the algorithm predicts.
        let inputs = AlgorithmFixture.minibatches(step: 9).inputs
        let classifier = try fixture.context.makeClassifier()
        let predict = try description.predictor(
            Self.settings[name] ?? [:], classifier, batchSize: fixture.context.batchSize)
        try classifier.store.load(whole.algorithm.classifier.store.state, name: "model")
        let loaded = classifier.evaluating { predict(inputs).scalars(Float.self) }
        #expect(loaded == whole.algorithm.classifier.evaluating { whole.algorithm.predict(inputs).scalars(Float.self) })
    }

    @Test(arguments: [
        "GroupDRO", "Fishr", "MTL", "FACT", "DANN", "SagNet", "MIRO", "ERM++", "TRM", "Transfer", "URM", "ADRMX",
    ])
    func refusesAnothersState(_ name: String) throws {
        let algorithm = try trainer(AlgorithmRegistry.standard.algorithm(named: name)).algorithm
        let plain = try trainer(AlgorithmRegistry.standard.algorithm(named: "ERM")).algorithm.state
        #expect(throws: UserError.self) { try algorithm.load(plain, name: "state") }
    }
}
