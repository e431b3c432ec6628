import DomainGeneralization
import Foundation
import Foundations

/// What a comparison reads of a run that has ended: `summary.json` and `predictions.jsonl`.
struct FinishedRun {
    let path: String
    /// The variant's name, or else the algorithm's.
    let method: String
    let dataset: String
    let draw: Int
    let summary: RunSummary
    /// The data set's folder, and that of the store.
    let data: String, store: String
    /// Whether the class was found, by image: all of the held-out domain's images (of an oracle, those that it was not
    /// trained on are not told apart, so that it has none).
    let isRight: [String: Bool]
    /// Those of them that show an unseen item.
    let unseenImages: Set<String>

    /// A run in a folder, or nil for a folder without one, or with one that has not ended.
    /// - Throws: `UserError` for a file of the run that cannot be read.
    init?(folder: String) throws {
        guard RunSeal.exists(in: folder) else { return nil }
        try RunSeal.check("config.yaml", in: folder)
        path = folder
        let directory = try RunDirectory(existing: folder)
        let configuration = try directory.configuration()
        method = configuration.methodName(configuration.algorithm.name)
        draw = configuration.draw
        let name = FilePath.name(of: configuration.data)
        dataset = KnownDataset.named(name)?.name ?? name
        summary = try directory.summary()
        (data, store) = (configuration.data, configuration.store)
        var isRight: [String: Bool] = [:]
        var unseenImages: Set<String> = []
        let held = summary.oracle ? [] : summary.testDomains
        for prediction in try PredictedImage.all(run: folder) where held.contains(prediction.domain) {
            isRight[prediction.image] = prediction.label == prediction.predicted
            if prediction.isUnseen { unseenImages.insert(prediction.image) }
        }
        self.isRight = isRight
        self.unseenImages = unseenImages
    }

    /// All runs that have ended of folders: each is that of a run, or holds runs' folders.
    /// - Throws: `UserError` for a folder that is missing or holds none.
    static func all(in folders: [String]) throws -> [FinishedRun] {
        try folders.flatMap { folder in
            if let run = try FinishedRun(folder: folder) { return [run] }
            guard let names = Files.names(in: folder) else {
                throw UserError("\(folder): no such folder; give the one that holds the runs' folders")
            }
            let runs = try names.compactMap { try FinishedRun(folder: "\(folder)/\($0)") }
            guard !runs.isEmpty else {
                throw UserError("\(folder): no run in it has ended; a finished one has a file 'done'")
            }
            return runs
        }
    }
}
