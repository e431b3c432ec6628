import DomainGeneralization
import Foundation
import Foundations
import Torch

/// Where a run begins or goes on.
struct RunStart {
    let isDone: Bool
    let rows: [CheckpointRow]
    let checkpoint: Checkpoint?

    private init(isDone: Bool, rows: [CheckpointRow], checkpoint: Checkpoint?) {
        (self.isDone, self.rows, self.checkpoint) = (isDone, rows, checkpoint)
    }

    /// What a run's folder says.
    /// - Throws: a one-line error for a file that cannot be used.
    init(_ directory: RunDirectory, warn: (String) -> Void) throws {
        guard !directory.isFollowed else {
            self.init(isDone: false, rows: [], checkpoint: nil)
            return
        }
        if directory.isDone {
            try RunSeal.check(in: directory.path)
            self.init(isDone: true, rows: [], checkpoint: nil)
        } else {
            self.init(
                isDone: false, rows: try directory.rows(), checkpoint: try directory.checkpoints.latest(warn: warn))
        }
    }

    /// What the first process's folder says.
    func ofFirst(in group: ProcessGroup) throws -> RunStart {
        struct Words: Codable {
            let isDone: Bool
            let rows: [[String: JSONValue]]
            let state: Checkpoint.State?
        }
        let words = try group.ofFirst {
            Words(isDone: isDone, rows: rows.map(\.values), state: checkpoint?.state)
        }
        var found: Checkpoint?
        if let state = words.state {
            found = Checkpoint(
                state: state, model: try (checkpoint?.model ?? StateDict()).ofFirst(in: group),
                optimizer: try (checkpoint?.optimizer ?? StateDict()).ofFirst(in: group))
        }
        return RunStart(isDone: words.isDone, rows: words.rows.map(CheckpointRow.init), checkpoint: found)
    }
}
