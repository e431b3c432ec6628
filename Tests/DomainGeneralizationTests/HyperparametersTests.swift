import Foundations
import Testing

@testable import DomainGeneralization

struct HyperparametersTests {
    private struct Example: Hyperparameters, Equatable {
        enum Mode: String, Codable { case online, curve }

        var strength = 0.5
        var count = 4
        var mode = Mode.online
        var isOn = false
        var words: [String: String] = [:]

        init() {}

        func validate() throws {
            if count < 1 { throw UserError("count: \(count) is not above 0") }
        }
    }

    private func made(_ changes: JSONValue) throws -> Example { try Example(changes: changes, path: "here") }

    @Test func changesTheNamedOnes() throws {
        var expected = Example()
        expected.strength = 1
        expected.mode = .curve
        #expect(try made(.object(["strength": .int(1), "mode": .string("curve")])) == expected)
        #expect(try made(.object([:])) == Example())
    }

    /// A table takes any names, the group of all settings does not.
    @Test func fillsTables() throws {
        let table = JSONValue.object(["ink": .string("black ink"), "pixel": .string("pixel art")])
        #expect(try made(.object(["words": table])).words == ["ink": "black ink", "pixel": "pixel art"])
        #expect(throws: UserError.self) { try made(.object(["words": .object(["ink": .int(1)])])) }
    }

    @Test(arguments: [
        (JSONValue.object(["strenght": .int(1)]), "here: unknown setting 'strenght'; did you mean strength?"),
        (.object(["zzz": .int(1)]), "here: unknown setting 'zzz'; known: count, isOn, mode, strength, words"),
        (.object(["strength": .string("much")]), "here.strength: takes a number, not \"much\""),
        (.object(["isOn": .int(1)]), "here.isOn: takes true or false, not 1"),
        (.object(["count": .int(0)]), "count: 0 is not above 0"),
        (.int(3), "here: takes a group of settings, not 3"),
    ])
    func refuses(_ changes: JSONValue, _ message: String) {
        #expect(throws: UserError(message)) { try made(changes) }
    }

    @Test(arguments: [JSONValue.object(["count": .double(1.5)]), .object(["mode": .string("other")])])
    func refusesImpossibleValues(_ changes: JSONValue) throws {
        #expect(throws: UserError.self) { try made(changes) }
    }

    @Test func listsAlgorithms() throws {
        let registry = AlgorithmRegistry.standard
        #expect(try registry.algorithm(named: "erm").name == "ERM")
        #expect(throws: UserError("no algorithm 'FourierMx'; did you mean FourierMix?")) {
            try registry.algorithm(named: "FourierMx")
        }
        let mix = try registry.algorithm(named: "FourierMix")
        #expect(try mix.resolved(.object(["share": .double(0.25)]))["share"] == .double(0.25))
        #expect(throws: UserError("algorithm.hyperparameters.share: 2.0 is not in 0…1")) {
            try mix.resolved(.object(["share": .int(2)]))
        }
    }
}
