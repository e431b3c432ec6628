import DomainGeneralization
import Foundation
import Foundations

/// What a tracker is told of a run, read from the run's folder.
struct TrackedRun {
    let folder: String
    private let directory: RunDirectory
    private let configuration: RunConfiguration

    /// - Throws: `UserError` for a folder without a run, or settings that cannot be read.
    init(folder: String) throws {
        self.folder = folder
        directory = try RunDirectory(existing: folder)
        configuration = try directory.configuration()
    }

    /// The folder's own name.
    var name: String { FilePath.name(of: Files.realPath(folder)) }

    /// When the run began.
    var started: Date { directory.started ?? modified("config.yaml") }

    /// The settings, as texts.
    var settings: [String: String] { configuration.tracked.mapValues { $0.string ?? $0.text } }

    /// What is said of the run beside its settings.
    var tags: [String: String] {
        let environment = Files.contents("\(folder)/environment.json").flatMap(JSONValue.init(json:))
        let names = ["toolkit": "domainfusion.version", "commit": "mlflow.source.git.commit"]
        var tags = ["mlflow.source.name": "domainfusion", "mlflow.source.type": "LOCAL"]
        for (key, tag) in names { tags[tag] = environment?[key]?.string }
        if let failure = Files.contents("\(folder)/failed") {
            tags["domainfusion.failure"] = String(decoding: failure, as: UTF8.self)
        }
        return tags
    }

    /// How far the run is.
    enum Status: String {
        case running = "RUNNING"
        case finished = "FINISHED"
        case failed = "FAILED"
        /// Ended before its end, and can go on.
        case killed = "KILLED"
    }

    /// - Parameter isEnding: the process that trains says that it is about to end.
    func status(isEnding: Bool) -> Status {
        if directory.isDone { return .finished }
        if Files.exists("\(folder)/failed") { return .failed }
        return !isEnding && FolderLock.isHeld(folder) ? .running : .killed
    }

    /// When the run ended, as far as it has.
    var ended: Date {
        modified(directory.isDone ? "done" : Files.exists("\(folder)/failed") ? "failed" : "results.jsonl")
    }

    /// The scalars that are in no event file: scores of runs that write none, of averaged models, and the result.
    func otherScalars() throws -> [EventScalar] {
        let time = modified("results.jsonl").timeIntervalSince1970
        let rows = try directory.rows().flatMap { row in
            row.values.sorted { $0.key < $1.key }.compactMap { key, value -> EventScalar? in
                guard key.hasPrefix("env") || key.hasPrefix(CheckpointRow.averagePrefix), let value = value.double
                else {
                    return nil
                }
                return EventScalar(tag: "evaluation/\(key)", value: value, step: row.step, time: time)
            }
        }
        guard directory.isDone else { return rows }
        return try rows
            + directory.summary().scalars.map { EventScalar(tag: $0.name, value: $0.value, step: $0.step, time: time) }
    }

    private func modified(_ name: String) -> Date {
        let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
        return attributes?[.modificationDate] as? Date ?? Date()
    }
}
