import DomainGeneralization
import Foundation
import Foundations
import Testing

@testable import Experiments

struct YAMLTests {
    @Test func readsWhatItWrites() throws {
        let value = JSONValue.object([
            "text": .string("a: b"), "digits": .string("12"), "empty": .string(""), "yes": .bool(true),
            "words": .array([.string("off"), .string("true"), .string("no")]),
            "count": .int(-3),
            "rate": .double(3e-4), "list": .array([.string("x"), .int(1)]), "none": .null,
            "group": .object(["inner": .double(0.5)]),
        ])
        #expect(try YAML.parse(YAML.text(value), name: "text") == value)
        #expect(try YAML.parse("", name: "text") == .object([:]))
        #expect(try YAML.parse("3e-4", name: "text") == .double(3e-4))
    }

    /// What a text takes is bounded: aliases multiply what they stand for.
    @Test func boundsWhatATextTakes() throws {
        let levels = (1...9).map { level in
            "a\(level): &a\(level) [\([String](repeating: "*a\(level - 1)", count: 10).joined(separator: ","))]"
        }
        let bomb = (["a0: &a0 [\([String](repeating: "x", count: 10).joined(separator: ","))]"] + levels).joined(
            separator: "\n")
        func message(_ text: String) -> String {
            do {
                _ = try YAML.parse(text, name: "my.yaml")
                return "none"
            } catch { return "\(error)" }
        }
        #expect(message(bomb).hasPrefix("my.yaml: more than 100000 values, counting what aliases stand for"))
        // The parser itself would walk through a name.
        for name in ["? *a9\n: 1", "? [*a9]\n: 1", "[*a9]: 1", "*a9 : 1", "{*a9: 1}: 2"] {
            #expect(
                message("\(bomb)\n\(name)").contains("an alias (*name) stands in or before a setting's name"), "\(name)"
            )
        }
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let deep = String(repeating: open, count: 500) + String(repeating: close, count: 500)
            #expect(message("a: \(deep)").hasPrefix("my.yaml: groups and lists lie more than 64 deep"))
        }
        #expect(message(String(repeating: "[", count: 100_000)).hasPrefix("my.yaml: not valid YAML"))
        #expect(message("a: " + String(repeating: "x", count: 1_000_001)).contains("too long for settings"))
        #expect(message("[1]: 2").contains("a setting's name is no text"))
        // Those that people write stay.
        let value = try YAML.parse(
            "a: &styles {x: 1}\nb: {prompt: \"{style}: {class}\", is: what?}\nc: *styles\nd: [*styles, *styles]",
            name: "")
        let styles = JSONValue.object(["x": .int(1)])
        #expect(value["c"] == styles && value["d"] == .array([styles, styles]))
        #expect(value["b"]?["prompt"] == .string("{style}: {class}"))
    }

    @Test func namesTheLineOfAMistake() {
        #expect {
            try YAML.parse("a: 1\nb: [1, 2\n", name: "my.yaml")
        } throws: { "\($0)".hasPrefix("my.yaml: not valid YAML (line 3") }
        #expect(throws: UserError("my.yaml: not valid YAML (set twice: a)")) {
            try YAML.parse("a: 1\na: 2\n", name: "my.yaml")
        }
    }
}

struct RunConfigurationTests {
    @Test func survivesItsFile() throws {
        var configuration = RunConfiguration(preset: .domainbed2020)
        configuration.testDomains = ["sketch"]
        configuration.algorithm.hyperparameters = .object(["share": .double(0.25)])
        let text = YAML.text(try JSONValue(encoding: configuration))
        let again = try RunConfiguration().changed(by: YAML.parse(text, name: "c"), source: "c")
        #expect(again == configuration)
    }

    @Test func setsByName() throws {
        let changed = try RunConfiguration().changed(bySetting: "backbone.dropout=0.1")
            .changed(bySetting: "algorithm.hyperparameters.strength=0.5").changed(bySetting: "testDomains=[a, b]")
        #expect(changed.backbone.dropout == 0.1)
        #expect(changed.algorithm.hyperparameters == .object(["strength": .double(0.5)]))
        #expect(changed.testDomains == ["a", "b"])
        let nested = try RunConfiguration().changed(bySetting: "algorithm.hyperparameters.distillation.mode=off")
            .changed(bySetting: "algorithm.hyperparameters.distillation.weight=2")
        #expect(
            nested.algorithm.hyperparameters
                == .object(["distillation": .object(["mode": .string("off"), "weight": .int(2)])]))
    }

    @Test(arguments: [
        ("stepz=3", "--set: unknown setting 'stepz'; did you mean steps?"),
        ("backbone.dropuot=1", "--set.backbone: unknown setting 'dropuot'; did you mean dropout?"),
        ("steps=many", "--set.steps: takes a whole number, not \"many\""),
        ("steps", "--set steps: write it as name=value, for instance --set backbone.dropout=0.1"),
    ])
    func refuses(_ setting: String, _ message: String) {
        #expect(throws: UserError(message)) { try RunConfiguration().changed(bySetting: setting) }
    }

    @Test(arguments: ["steps=0", "imageSize=8", "learningRate=0", "holdoutFraction=1", "backbone.dropout=2", "seed=-1"])
    func refusesValuesOutOfRange(_ setting: String) throws {
        var configuration = try RunConfiguration().changed(bySetting: setting)
        configuration.testDomains = ["a"]
        let name = String(setting.prefix { $0 != "=" })
        #expect { try configuration.validate() } throws: { "\($0)".hasPrefix(name) }
    }
}
