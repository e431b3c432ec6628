import Backbones
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// The folder of a run: its configuration, results and checkpoints. Everything else is derived from it.
public final class RunDirectory {
    /// The run's folder.
    public let path: String
    /// The folder's checkpoints, under `checkpoint/`.
    public let checkpoints: CheckpointFolder
    private let old: OldRun
    /// Held by the process that trains.
    private let lock: FolderLock?
    /// Whether this process trains with the one whose folder it is, and writes nothing.
    let isFollowed: Bool

    /// An existing run, for reading.
    /// - Throws: `UserError` for a folder that holds no run.
    public init(existing path: String) throws {
        guard Files.exists("\(path)/config.yaml") else {
            throw UserError(
                "\(path): no run in this folder (no config.yaml); give the --run-dir of a 'domainfusion train'")
        }
        self.path = path
        checkpoints = CheckpointFolder("\(path)/checkpoint")
        old = OldRun(folder: path)
        lock = nil
        isFollowed = false
    }

    /// The folder of the first of several processes that train together, for another one of them: it need not be there.
    init(following path: String) {
        self.path = path
        checkpoints = CheckpointFolder("\(path)/checkpoint")
        old = OldRun(folder: path)
        lock = nil
        isFollowed = true
    }

    /// The folder of a run that is to be started or resumed, held by this process until it ends.
    /// - Parameter restart: sets an earlier run in the folder aside, which is forgotten with the new one's first checkpoint; until
    ///   then it comes back at the next start.
    /// - Parameter registry: knows the run's algorithm.
    /// - Throws: `UserError` when the folder cannot be written, is in use, or holds a run with other settings.
    public init(
        _ path: String, configuration: RunConfiguration, restart: Bool, registry: AlgorithmRegistry = .all
    ) throws {
        self.path = path
        isFollowed = false
        checkpoints = CheckpointFolder("\(path)/checkpoint")
        old = OldRun(folder: path)
        try AtomicFile.makeFolder(path)
        lock = try FolderLock(path, option: "--run-dir")
        old.bringBack()
        removeUnfinished()
        if restart { try old.setAside() }
        try RunSeal.check("config.yaml", in: path)
        // A run that ended before its first checkpoint has nothing to lose.
        if Files.exists("\(path)/config.yaml"), !checkpoints.steps.isEmpty || isDone {
            try refuseOtherSettings(configuration, registry)
        } else {
            try write(YAML.text(try JSONValue(encoding: configuration)), to: "config.yaml")
        }
        for name in ["failed", Self.failedBatch] { Files.remove("\(path)/\(name)") }
    }

    /// The earlier run that was set aside is back: the new one could not begin.
    func bringBackOldRun() {
        if !isFollowed { old.bringBack() }
    }

    /// Writes a checkpoint. With its first one a new run has begun, and one that was set aside is forgotten.
    /// - Throws: also `UserError` when the folder is no longer there.
    func save(_ checkpoint: Checkpoint) throws {
        guard !isFollowed else { return }
        try lock?.check()
        try checkpoints.save(checkpoint)
        old.forget()
    }

    /// Marks the run as finished.
    /// - Throws: also `UserError` when the folder is no longer there.
    func seal() throws {
        guard !isFollowed else { return }
        try lock?.check()
        try RunSeal.write(path)
    }

    /// The file that lists the images of the step that `failed` tells of.
    static let failedBatch = "failed-batch.txt"

    /// Removes files that a killed process had begun: nobody else writes in this folder now.
    private func removeUnfinished() {
        let names = Files.names(in: path) ?? []
        for name in names where name.hasSuffix(".tmp") { Files.remove("\(path)/\(name)") }
    }

    /// The settings that the run was started with.
    public func configuration() throws -> RunConfiguration {
        let file = "\(path)/config.yaml"
        var configuration = try RunConfiguration().changed(by: YAML.read(file), source: file)
        // EfficientNet-Lite: runs that do not record the network's name elsewhere, too, called TensorFlow's as timm's.
        if let backbone = try? Backbones.named(configuration.backbone.name), let twin = backbone.twin {
            configuration.backbone.name =
                environment?["backbone"]?.string ?? [backbone.name, twin].first { $0.hasPrefix("tf_") } ?? backbone.name
        }
        do {
            try configuration.validate()
        } catch {
            throw UserError("\(file): \(error)")
        }
        return configuration
    }

    /// A run may be resumed on another device, with another store, with less memory, and when its data set has been moved
    /// (the run checks that the images are the same); everything else changes what it computes.
    private func refuseOtherSettings(_ configuration: RunConfiguration, _ registry: AlgorithmRegistry) throws {
        var old = try self.configuration()
        // Settings that there were not yet when the run began are at their defaults.
        old = (try? old.resolved(registry)) ?? old
        old.device = configuration.device
        old.store = configuration.store
        old.data = configuration.data
        old.backbone.gradientCheckpointing = configuration.backbone.gradientCheckpointing
        guard old != configuration else { return }
        let before = try JSONValue(encoding: old).flattened()
        let after = try JSONValue(encoding: configuration).flattened()
        let differences = Set(before.keys).union(after.keys).sorted().filter { before[$0] != after[$0] }.map {
            "\($0) \(before[$0]?.text ?? "unset") there, \(after[$0]?.text ?? "unset") now"
        }
        throw UserError(
            "\(path): holds a run with other settings (\(differences.joined(separator: "; "))); choose another --run-dir, "
                + "or --restart to forget that run")
    }

    /// What `environment.json` says of the run's beginning; nil where it is missing or unreadable.
    private var environment: JSONValue? {
        Files.contents("\(path)/environment.json").flatMap(JSONValue.init(json:))
    }

    /// The hash of the list of images that the run was started with; nil where it is not recorded.
    var recordedListing: String? { environment?["items_sha256"]?.string }

    /// What the hash of the images' contents is called in `environment.json`: that of a sample is another one.
    static func contentsKey(of images: ImageCache) -> String {
        images.isSampled ? "sampled_images_sha256" : "images_sha256"
    }

    /// The hash of the contents that the run was started with, of as many images as are read now; nil where it is not recorded.
    func recordedContents(of images: ImageCache) -> String? { environment?[Self.contentsKey(of: images)]?.string }

    /// When the run began.
    var started: Date? { environment?["started"]?.string.flatMap { try? Date($0, strategy: .iso8601) } }

    /// Whether the run is complete.
    public var isDone: Bool { RunSeal.exists(in: path) }

    /// The summary of a run that is complete.
    /// - Throws: `UserError` when it is missing or unreadable.
    public func summary() throws -> RunSummary {
        let file = "\(path)/summary.json"
        try RunSeal.check("summary.json", in: path)
        guard let data = Files.contents(file),
            let summary = try? JSONDecoder().decode(RunSummary.self, from: data)
        else { throw UserError("\(file): missing or unreadable; train this run again with --restart") }
        return summary
    }

    /// Writes a small file atomically.
    /// - Throws: a one-line error naming it.
    public func write(_ text: String, to name: String) throws {
        guard !isFollowed else { return }
        try AtomicFile.write(text, to: "\(path)/\(name)")
    }

    /// The checkpoint rows written so far.
    public func rows() throws -> [CheckpointRow] {
        let file = "\(path)/results.jsonl"
        guard let data = Files.contents(file) else { return [] }
        var rows: [CheckpointRow] = []
        let lines = data.split(separator: UInt8(ascii: "\n"))
        for (index, line) in lines.enumerated() {
            guard let values = JSONValue(json: line)?.object else {
                // A kill may cut the last line; it is written again.
                if index == lines.count - 1 { break }
                throw UserError("\(file): line \(index + 1) is no JSON object; restore the file, or use --restart")
            }
            rows.append(CheckpointRow(values))
        }
        return rows
    }

    /// Replaces all rows of `results.jsonl`.
    public func write(_ rows: [CheckpointRow]) throws {
        try write(rows.map { JSONValue.object($0.values).text + "\n" }.joined(), to: "results.jsonl")
    }
}
