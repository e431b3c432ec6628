import DomainGeneralization
import Experiments
import Foundation
import Foundations

/// What the list says of a run.
package struct RunEntry: Sendable, Equatable {
    /// The run's folder, below the folder that is shown: `sweep/erm-0`.
    package let path: String
    /// The same from the working directory.
    let folder: String
    /// The variant's name, or else the algorithm's.
    let method: String
    /// The name of the data set's folder.
    let dataset: String
    let heldOut: [String]
    package internal(set) var state: RunState
    /// Steps that are done, as far as the folder tells.
    package internal(set) var step: Int
    let steps: Int
    /// Mean accuracy on the source domains' validation images, 0…1.
    package let sourceValidation: Double?
    /// Mean accuracy on the held-out domains, 0…1; of ended runs alone.
    package let unseen: Double?
    /// The last news that the folder has.
    package internal(set) var changed: Date

    /// Reads a run's folder; nil for one without a run.
    init?(path: String, folder: String) {
        guard let text = Files.contents("\(folder)/config.yaml") else { return nil }
        let head = try? RunHead(text: text.prefix(1 << 20))
        self.path = path
        self.folder = folder
        let algorithm = head?.algorithm ?? "unreadable config.yaml"
        dataset = (head?.data).map(FilePath.name(of:)) ?? ""
        let state = Self.state(folder)
        let summary =
            state == .done
            ? Files.contents("\(folder)/summary.json").flatMap {
                try? JSONDecoder().decode(RunSummary.self, from: $0)
            } : nil
        method = [head?.variant, summary?.algorithm].compactMap { $0 }.first { !$0.isEmpty } ?? algorithm
        heldOut = summary?.testDomains ?? head?.heldOut ?? []
        steps = summary?.steps ?? head?.steps ?? 0
        self.state = state
        if let summary {
            step = summary.last.step
            sourceValidation = summary.selected.sourceValidation
            let values = summary.testDomains.compactMap { summary.selected.targets[$0]?.accuracy }
            unseen = values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
        } else {
            let row = LastRow(folder: folder)
            (step, sourceValidation, unseen) = (row?.step ?? 0, row?.sourceValidation, nil)
        }
        let news = ["done", "failed", "results.jsonl", "config.yaml"].lazy.compactMap { FileStamp("\(folder)/\($0)") }
        changed = news.first?.date ?? Date(timeIntervalSince1970: 0)
    }

    /// How far the run in a folder is.
    static func state(_ folder: String) -> RunState {
        if RunSeal.exists(in: folder) { return .done }
        if FolderLock.isHeld(folder) { return .training }
        return Files.exists("\(folder)/failed") ? .failed : .stopped
    }
}
