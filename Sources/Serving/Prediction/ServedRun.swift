import Experiments
import Foundations

/// A finished run that is served, and what `/v1/runs` says of it.
public struct ServedRun: Sendable {
    /// The last component of its folder's path: what requests call it.
    public let name: String
    /// Its folder.
    let path: String
    /// What is recorded of it, without its classes, which its model knows.
    let record: [String: JSONValue]

    /// Reads what a run's folder says of it; its model is loaded later.
    /// - Throws: `UserError` for a folder without a run, or with one that has not ended.
    public init(folder path: String) throws {
        let run = try RunDirectory(existing: path)
        guard run.isDone else {
            throw UserError("\(path): has not ended; let 'domainfusion train' run to its end, then serve it")
        }
        self.path = path
        name = FilePath.name(of: path)
        let configuration = try run.configuration()
        let summary = try run.summary()
        let accuracies = summary.selected.targets.compactMapValues { $0.accuracy.map(JSONValue.double) }
        record = [
            "name": .string(name), "algorithm": .string(summary.algorithm),
            "backbone": .string(configuration.backbone.name), "image_size": .int(configuration.imageSize),
            "step": .int(summary.selected.step),
            "domains": try run.rows().last?.values["args"]?["domains"] ?? [],
            "held_out_domains": JSONValue(summary.testDomains),
            "accuracy": [
                "source_validation": summary.selected.sourceValidation.map(JSONValue.double) ?? .null,
                "held_out": .object(accuracies),
            ],
        ]
    }

    /// The runs of some folders.
    /// - Throws: `UserError` for one that cannot be served, or two of one name.
    public static func all(_ folders: [String]) throws -> [ServedRun] {
        let runs = try folders.map { try ServedRun(folder: $0) }
        for (place, run) in runs.enumerated() {
            if let other = runs[..<place].first(where: { $0.name == run.name }) {
                throw UserError(
                    "\(run.path): is called '\(run.name)' as \(other.path) is; rename a folder, or serve them apart"
                )
            }
        }
        return runs
    }
}
