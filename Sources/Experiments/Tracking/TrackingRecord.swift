import Foundation
import Foundations

/// `tracking.json`: where a run's figures were sent, and how far.
struct TrackingRecord: Codable, Equatable {
    static let file = "tracking.json"

    /// A run of a tracker.
    struct Destination: Codable, Equatable {
        /// The tracker's name for the run.
        var run: String
        /// The last step that was sent of each metric.
        var sent: [String: Int] = [:]
        /// The last status that was sent.
        var status: String?
    }

    /// The run's own name, drawn at random: a tracker that was told of the run, and whose answer was lost, finds it by that.
    let id: String
    /// What was sent, by the tracker's address.
    var destinations: [String: Destination] = [:]

    /// The record of a folder; a new one where there is none.
    /// - Throws: `UserError` for a file that cannot be read.
    init(folder: String) throws {
        let path = "\(folder)/\(Self.file)"
        guard Files.exists(path) else {
            id = UUID().uuidString.lowercased()
            return
        }
        guard let data = Files.contents(path), let found = try? JSONDecoder().decode(Self.self, from: data) else {
            throw UserError("\(path): damaged; restore it, or remove it to send all as another run")
        }
        self = found
    }

    /// - Throws: a one-line error for a folder that cannot be written.
    func write(folder: String) throws {
        try AtomicFile.write(try JSONValue(encoding: self).text + "\n", to: "\(folder)/\(Self.file)")
    }
}
