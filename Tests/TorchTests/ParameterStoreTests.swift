import Foundations
import Testing
import Torch

@Suite struct ParameterStoreTests {
    /// Keys fc.weight [2, 3], fc.bias [2], norm.*.
    private func build(_ store: ParameterStore) -> Linear {
        _ = BatchNorm2d(store.root / "norm", channels: 3)
        return Linear(store.root / "fc", in: 3, out: 2)
    }

    private func fresh(_ seed: UInt64 = 1) -> ParameterStore {
        let store = ParameterStore(seed: seed)
        _ = build(store)
        return store
    }

    private let expectedProblems =
        "model.pth does not fit the model (3 keys): norm.bias: missing; fc.weight: shape [3, 2], wanted [2, 3]; "
        + "extra.weight: unexpected"

    private func damaged() -> StateDict {
        var state = fresh().state
        state["norm.bias"] = nil
        state["fc.weight"] = .zeros([3, 2])
        state["extra.weight"] = .zeros([1])
        return state
    }

    @Test func keysArePaths() {
        let store = fresh()
        #expect(
            store.entries.map(\.name) == [
                "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
                "fc.weight", "fc.bias",
            ])
        #expect(store.parameterCount == 14)
        #expect(store.parameters.count == 4)
        #expect(store["fc.weight"]?.shape == [2, 3])
        #expect((store.root / "a" / 0 / "b").path == "a.0.b")
    }

    @Test func theSeedDecides() {
        let weights = [1, 1, 2].map { fresh($0)["fc.weight"]?.scalars(Float.self) }
        #expect(weights[0] == weights[1])
        #expect(weights[0] != weights[2])
        let bound = 1 / Float(3).squareRoot()
        #expect(weights[0]?.allSatisfy { abs($0) <= bound } == true)
    }

    @Test func verifyNamesEveryProblemAtOnce() {
        let store = ParameterStore(damaged(), name: "model.pth")
        _ = build(store)
        let error = #expect(throws: UserError.self) { try store.verify() }
        #expect(error?.message == expectedProblems)
    }

    @Test func loadNamesEveryProblemAtOnceAndChangesNothing() {
        let store = fresh(2)
        let before: [Float]? = store["fc.bias"]?.scalars()
        let error = #expect(throws: UserError.self) { try store.load(damaged(), name: "model.pth") }
        #expect(error?.message == expectedProblems)
        #expect(store["fc.bias"]?.scalars() == before)
    }

    @Test func manyProblemsAreCounted() {
        let store = ParameterStore(StateDict(), name: "model.pth")
        for index in 0..<20 { _ = Linear(store.root / index, in: 1, out: 1, bias: false) }
        let error = #expect(throws: UserError.self) { try store.verify() }
        #expect(error?.message.contains("(20 keys)") == true)
        #expect(error?.message.hasSuffix("11.weight: missing; and 8 more") == true)
    }

    @Test func ignoredKeysAreLeftAlone() throws {
        let store = fresh(2)
        let own: [Float]? = store["fc.weight"]?.scalars()
        try store.load(damaged(), name: "model.pth") { ["norm.bias", "fc.weight", "extra.weight"].contains($0) }
        #expect(store["fc.weight"]?.scalars() == own)
        #expect(store["fc.bias"]?.scalars(Float.self) == fresh()["fc.bias"]?.scalars(Float.self))
    }

    @Test func aCheckpointGivesItsValues() throws {
        let state = fresh(3).state
        let store = ParameterStore(state, name: "model.pth", dtype: .float64)
        let layer = build(store)
        try store.verify()
        #expect(layer.weight.dtype == .float64)
        #expect(layer.weight.scalars(Float.self) == state["fc.weight"]?.scalars(Float.self))
    }

    @Test func loadingKeepsTrainedTensorsLeaves() throws {
        let store = fresh(2)
        store.setRequiresGrad(true)
        try store.load(fresh(1).state, name: "state")
        let weight = try #require(store["fc.weight"])
        #expect(weight.requiresGrad)
        weight.sum().backward()
        #expect(weight.grad != nil)
    }

    @Test func stateDictsKeepTheirOrder() {
        var state = StateDict()
        for name in ["b", "a", "c"] { state[name] = .zeros([1]) }
        state["a"] = nil
        state["b"] = .ones([1])
        #expect(state.names == ["b", "c"])
        #expect(state.renamed { $0 == "b" ? nil : $0 + "c" }.names == ["cc"])
    }
}
