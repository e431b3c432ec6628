import DomainGeneralization
import Foundation
import Foundations
import Torch

/// One run of a sweep.
public struct SweepMember: Sendable {
    /// Whether a member is to be run.
    public enum State: Sendable, Equatable {
        /// Not begun yet.
        case new
        /// Begun and not done; goes on from its last checkpoint.
        case unfinished
        /// Ended with an error; is tried again.
        case failed(String)
        /// Trained to its end; is not run again.
        case done
    }

    /// The settings of the run.
    public let configuration: RunConfiguration
    /// The folder's name in the sweep: what the run is, and a digest of all that its numbers depend on.
    public let name: String

    /// A member with the name that its settings give it.
    /// - Parameters:
    ///   - configuration: resolved: every hyperparameter is in it.
    ///   - dataset: the data set's name.
    ///   - defaults: the algorithm's hyperparameters by default.
    public init(_ configuration: RunConfiguration, dataset: String, defaults: JSONValue) throws {
        self.configuration = configuration
        let identity = try Self.identity(configuration, dataset: dataset, defaults: defaults)
        let parts = [
            dataset, configuration.variant.isEmpty ? configuration.algorithm.name : configuration.variant,
            configuration.testDomains.joined(separator: "+"),
            "trial\(configuration.seed)", "draw\(configuration.draw)",
            String(SHA256Sum.of(identity.text).prefix(8)),
        ]
        name = parts.joined(separator: "-").map { $0.isLetter || $0.isNumber || "+-_.".contains($0) ? "\($0)" : "_" }
            .joined()
    }

    /// What the numbers of a run depend on. Where the data lie, the device, the store and what saves memory are no
    /// part of it, nor are settings at their defaults: a new setting does not make a sweep forget its runs.
    static func identity(_ configuration: RunConfiguration, dataset: String, defaults: JSONValue) throws -> JSONValue {
        let standard = try JSONValue(encoding: RunConfiguration()).flattened()
            .merging(defaults.flattened(prefix: "algorithm.hyperparameters")) { $1 }
            .merging(try Additions.defaults(of: configuration)) { $1 }
            .merging(formerDefaults.flattened(prefix: "algorithm.hyperparameters")) { $1 }
        var own = try JSONValue(encoding: configuration).flattened().filter { standard[$0.key] != $0.value }
        let irrelevant = [
            "data", "device", "store", "saveEvery", "preset", "variant", "backbone.gradientCheckpointing",
        ]
        for key in irrelevant { own[key] = nil }
        own["dataset"] = .string(dataset)
        for (group, names) in [
            ("terms", configuration.terms), ("images", configuration.images), ("features", configuration.features),
        ] {
            if let names { own[group] = JSONValue(names.keys.sorted()) }
        }
        return .object(own)
    }

    /// Hyperparameters whose defaults have changed, with what they were in the first sweeps: a run of those settings keeps its
    /// name, one of today's defaults has another.
    private static let formerDefaults: JSONValue = .object([
        "ldm": .string(EmbeddedModel.folder), "distillation": .object(["prompt": .string(EmbeddedModel.prompt)]),
        "posterior": .object(["prompt": .string(EmbeddedModel.prompt)]),
        "augmentation": .object([
            "prompts": .array([.string(EmbeddedModel.prompt)]), "composition": .string("fourier"),
            "contentPool": .string("candidates"),
        ]),
    ])

    /// The member's state in the folder of its sweep.
    public func state(in sweep: String) -> State {
        let folder = "\(sweep)/\(name)"
        if RunSeal.exists(in: folder) { return .done }
        if let reason = Files.contents("\(folder)/failed") {
            return .failed(String(decoding: reason, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
        }
        return Files.exists("\(folder)/config.yaml") ? .unfinished : .new
    }

    /// The file of the member's settings in the folder of its sweep.
    func settingsFile(in sweep: String) -> String { "\(sweep)/members/\(name).yaml" }

    /// Writes the member's settings.
    /// - Throws: a one-line error for a folder that cannot be written.
    func writeSettings(in sweep: String) throws {
        try AtomicFile.makeFolder("\(sweep)/members")
        try AtomicFile.write(YAML.text(try JSONValue(encoding: configuration)), to: settingsFile(in: sweep))
    }

    /// The command line that runs the member, after the program's name.
    func arguments(in sweep: String, threads: Int, device: String?, tracker: TrackerAddress?) -> [String] {
        ["train", "--config", settingsFile(in: sweep), "--run-dir", "\(sweep)/\(name)", "--threads", "\(threads)"]
            + (device.map { ["--device", $0] } ?? []) + (tracker.map { ["--track", "\($0)"] } ?? [])
    }
}
