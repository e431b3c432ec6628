import Foundations
import Testing

@testable import DomainGeneralization

struct HyperparametersTests {
    private struct Example: Hyperparameters, Equatable {
        enum Mode: String, Codable, CaseIterable { case online, curve }

        struct Range: Hyperparameters, Equatable {
            var low = 0.0
            var high = 1.0

            static let fields: [Setting<Self>] = [
                Setting("low", \.low, "where it begins", .within(0..<1)),
                Setting("high", \.high, "where it ends", .above(0, atMost: 1)),
            ]
            static let rules: [SettingRule<Self>] = [
                SettingRule("low") { $0.low < $0.high ? nil : "must be below high" }
            ]
        }

        var strength = 0.5
        var count = 4
        var mode = Mode.online
        var isOn = false
        var words: [String: String] = [:]
        var sizes = [1, 2]
        var prompt = "a {class}"
        var range = Range()

        static let fields: [Setting<Self>] = [
            Setting("strength", \.strength, "how much", .above(0)),
            Setting("count", \.count, "how many; 1 is one", .atLeast(1), begins: "the rest"),
            Setting("mode", \.mode, "where it comes from"),
            Setting("isOn", \.isOn, "whether at all"),
            Setting("words", \.words, "names and their words"),
            Setting("sizes", \.sizes, "sizes", .each(.within(1...9), example: "[1, 2]")),
            Setting("prompt", \.prompt, "what is asked for", Limit("a text with {class}") { $0.contains("{class}") }),
            .group("range", \.range, "where it counts"),
        ]
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

    private static let refusals: [(changes: String, message: String)] = [
        (#"{"strenght": 1}"#, "here: unknown setting 'strenght'; did you mean strength?"),
        (
            #"{"zzz": 1}"#,
            "here: unknown setting 'zzz'; known: count, isOn, mode, prompt, range, sizes, strength, words"
        ),
        (#"{"strength": "much"}"#, "here.strength: takes a number, not \"much\""),
        (#"{"isOn": 1}"#, "here.isOn: takes true or false, not 1"),
        (#"{"count": 0}"#, "here.count: 0 is below 1"),
        (#"{"count": 1099511627776}"#, "here.count: 1099511627776 is above 1000000000"),
        (#"{"strength": 0}"#, "here.strength: 0.0 is not above 0"),
        (#"{"sizes": []}"#, "here.sizes: is empty; give [1, 2]"),
        (#"{"sizes": [1, 10]}"#, "here.sizes: 10 is not in 1…9"),
        (#"{"prompt": "a dog"}"#, "here.prompt: must be a text with {class}"),
        (#"{"range": {"low": 1}}"#, "here.range.low: 1.0 is not in 0..<1"),
        (#"{"range": {"high": 0}}"#, "here.range.high: 0.0 is not above 0 and at most 1"),
        (#"{"range": {"low": 0.5, "high": 0.25}}"#, "here.range.low: must be below high"),
        (#"{"range": {"hihg": 1}}"#, "here.range: unknown setting 'hihg'; did you mean high?"),
        ("3", "here: takes a group of settings, not 3"),
    ]

    @Test(arguments: refusals)
    func refuses(_ changes: String, _ message: String) throws {
        let changes = try #require(JSONValue(json: changes.utf8))
        #expect(throws: UserError(message)) { try made(changes) }
    }

    @Test(arguments: [JSONValue.object(["count": .double(1.5)]), .object(["mode": .string("other")])])
    func refusesImpossibleValues(_ changes: JSONValue) throws {
        #expect(throws: UserError.self) { try made(changes) }
    }

    /// What help shows, in the order of the fields.
    @Test func describesItself() {
        let lines = Example.described().map { "\($0.name) = \($0.value?.text ?? "-") (\($0.help))" }
        #expect(
            lines == [
                "strength = 0.5 (how much; above 0)", "count = 4 (how many; 1 is one; at least 1)",
                "mode = \"online\" (where it comes from: online or curve)", "isOn = false (whether at all)",
                "words = {} (names and their words)", "sizes = [1,2] (sizes; each 1…9)",
                "prompt = \"a {class}\" (what is asked for; a text with {class})",
                "range = - (where it counts)", "range.low = 0 (where it begins; 0 to below 1)",
                "range.high = 1 (where it ends; above 0 and at most 1)",
            ])
    }

    @Test func warnsOfWhatNeverBegins() {
        let example = AlgorithmDescription("Example", "", Example.self) { try ERM(context: $1) }
        #expect(example.warnings(example.defaults, steps: 5).isEmpty)
        #expect(
            example.warnings(example.defaults, steps: 4) == [
                "Example: the rest begins after step 4, and the run has 4; set --set "
                    + "algorithm.hyperparameters.count=NUMBER or --steps"
            ])
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
