import DomainGeneralization
import Foundation
import Foundations
import TestSupport
import Testing

@testable import Experiments

struct RunDirectoryTests {
    let temporary: TemporaryFolder
    let configuration: RunConfiguration

    init() throws {
        temporary = try TemporaryFolder()
        var configuration = RunConfiguration()
        configuration.testDomains = ["a"]
        self.configuration = configuration
    }

    private func open(_ configuration: RunConfiguration, restart: Bool = false) throws -> RunDirectory {
        try RunDirectory("\(temporary.path)/run", configuration: configuration, restart: restart)
    }

    @Test func keepsItsSettings() throws {
        var other = configuration
        other.steps = 7
        _ = try open(other)
        // Nothing was trained yet, so the settings may still change.
        #expect(try open(configuration).configuration() == configuration)
        try FileManager.default.createDirectory(
            atPath: "\(temporary.path)/run/checkpoint/step-2", withIntermediateDirectories: true)
        other = configuration
        other.device = "cpu"
        _ = try open(other)
        other.learningRate = 1
        other.algorithm.name = "FourierMix"
        #expect { try open(other) } throws: { error in
            "\(error)".contains(
                "other settings (algorithm.name \"ERM\" there, \"FourierMix\" now; learningRate 0.0003 there, 1 now)")
        }
        _ = try open(other, restart: true)
    }

    /// A run that began before there was a setting goes on with the setting's default, and with no other value.
    @Test func laterSettingsAreAtTheirDefaults() throws {
        var configuration = configuration
        configuration.algorithm.name = "DomainFusion"
        configuration.images = ["ola": [:]]
        configuration = try configuration.resolved(.all)
        func without(_ settings: JSONValue?) throws -> JSONValue {
            var members = try #require(settings?.object)
            #expect(members.removeValue(forKey: "generator") == "img2img")
            return .object(members)
        }
        var old = configuration
        old.images = ["ola": try without(configuration.images?["ola"])]
        var hyperparameters = try #require(old.algorithm.hyperparameters.object)
        hyperparameters["augmentation"] = try without(hyperparameters["augmentation"])
        old.algorithm.hyperparameters = .object(hyperparameters)
        _ = try open(old)
        try FileManager.default.createDirectory(
            atPath: "\(temporary.path)/run/checkpoint/step-2", withIntermediateDirectories: true)
        _ = try open(configuration)
        configuration.images = ["ola": (configuration.images?["ola"] ?? [:]).overlaid(by: ["generator": "inversion"])]
        #expect { try open(configuration) } throws: { error in
            "\(error)".contains("other settings (images.ola.generator \"img2img\" there, \"inversion\" now)")
        }
    }

    /// Runs of the time when TensorFlow's EfficientNet-Lite had the name of timm's are still of TensorFlow's.
    @Test func oldRunsKeepTheirNetwork() throws {
        var timm = configuration
        timm.backbone.name = "efficientnet_lite0"
        let run = try open(timm)
        #expect(try run.configuration().backbone.name == "tf_efficientnet_lite0")
        try run.write("{}", to: "environment.json")
        #expect(try run.configuration().backbone.name == "tf_efficientnet_lite0")
        // A new run says it; one that was resumed since says what it is.
        for name in ["efficientnet_lite0", "tf_efficientnet_lite0"] {
            try run.write("{\"backbone\": \"\(name)\"}", to: "environment.json")
            #expect(try run.configuration().backbone.name == name)
        }
    }

    @Test func isHeldByOneProcess() throws {
        let held = try open(configuration)
        #expect { try open(configuration) } throws: { "\($0)".contains("another process is training in this folder") }
        withExtendedLifetime(held) {}
    }

    @Test func refusesAFolderThatCannotBeMade() throws {
        #expect(FileManager.default.createFile(atPath: "\(temporary.path)/file", contents: nil))
        #expect {
            try RunDirectory("\(temporary.path)/file/run", configuration: configuration, restart: false)
        } throws: { "\($0)".contains("the folder cannot be made") }
    }

    @Test func keepsWholeRows() throws {
        let run = try open(configuration)
        let rows = [1, 2].map { CheckpointRow(["step": .int($0), "loss": .double(0.5)]) }
        try run.write(rows)
        #expect(try run.rows() == rows)
        let file = "\(run.path)/results.jsonl"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text == "{\"loss\":0.5,\"step\":1}\n{\"loss\":0.5,\"step\":2}\n")
        // The last line may be cut by a kill.
        try String(text.dropLast(5)).write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try run.rows() == [rows[0]])
        try "x\n\(text)".write(toFile: file, atomically: true, encoding: .utf8)
        #expect { try run.rows() } throws: { "\($0)".contains("line 1 is no JSON object") }
    }

    @Test func isReadOnlyWithARunInIt() {
        #expect { try RunDirectory(existing: temporary.path) } throws: { "\($0)".contains("no run in this folder") }
    }
}
