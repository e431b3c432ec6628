import Foundation
import Foundations
import Torch

/// The processes that train together, where this one was launched with others.
struct TrainingProcesses {
    /// Where this process stands among them; nil for one alone.
    let place: LaunchEnvironment?

    /// What the environment says.
    /// - Throws: a one-line error for one that makes no sense.
    init() throws {
        place = try LaunchEnvironment(ProcessInfo.processInfo.environment)
    }

    /// Whether this process speaks for all.
    var speaks: Bool { place.map { $0.rank == 0 } ?? true }

    /// The device for this process: of several GPUs its own.
    func device(_ name: String) -> String {
        let count = Device.count(.cuda)
        guard let place, count > 0, ["auto", "cuda"].contains(name) else { return name }
        return "cuda:\(place.localRank % count)"
    }

    /// Joins the others, and watches them from now on: when one is lost, this process ends with a line that says so.
    /// - Returns: nil for a process alone.
    /// - Throws: a one-line error when they do not all come.
    func join() throws -> (group: ProcessGroup, heartbeat: Heartbeat)? {
        guard let place else { return nil }
        let group = try ProcessGroup(place)
        let heartbeat = try Heartbeat(place) { line in
            printError(
                "error: process \(place.rank) of \(place.size): \(line); this one ends, too; the same command for all of them "
                    + "goes on from the last saved state")
            // Other threads wait for what will not come.
            _exit(EXIT_FAILURE)
        }
        return (group, heartbeat)
    }
}
