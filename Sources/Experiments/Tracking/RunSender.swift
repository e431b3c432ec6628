import Foundation
import Foundations
import Hub

/// Sends a tracker what a run has written into its folder. The folder's files are what counts: what could not be sent is sent the
/// next time, by this process or another, and nothing is sent twice.
public final class RunSender {
    private let folder: String
    private let address: TrackerAddress
    private let server: MLflowServer
    private var files: [EventFile] = []
    /// Whether the record says what the server has: not yet at the beginning, and no more after a request that failed, which
    /// the server may have taken all the same.
    private var isInStep = false

    /// Sends one run to one tracker.
    /// - Parameters:
    ///   - folder: a run's.
    ///   - seconds: a request that takes longer is given up.
    ///   - poll: called about once a second; what it throws ends the sending.
    /// - Throws: `UserError` for credentials in the environment that cannot be sent.
    public init(
        folder: String, address: TrackerAddress, seconds: Double = 120,
        environment: [String: String] = ProcessInfo.processInfo.environment, poll: @escaping () throws -> Void = {}
    ) throws {
        self.folder = folder
        self.address = address
        server = try MLflowServer(address, environment: environment, seconds: seconds, poll: poll)
    }

    /// What a sending did.
    public struct Outcome: Sendable, Equatable {
        /// Values that were sent.
        public let values: Int
        /// The tracker's name for the run.
        public let run: String
        /// The last status that the tracker was told.
        public let status: String
    }

    /// Sends what is new in the folder.
    /// - Parameter isEnding: whether the process that trains is about to end.
    /// - Throws: `UserError` naming the tracker and the reason; what `poll` throws.
    public func send(isEnding: Bool = false) throws -> Outcome {
        let run = try TrackedRun(folder: folder)
        guard let claim = try FileClaim("\(folder)/.tracking") else {
            throw UserError("\(folder): another process sends this run's figures; wait for it")
        }
        do {
            return try withExtendedLifetime(claim) { try send(run, isEnding: isEnding) }
        } catch {
            isInStep = false
            throw (error as? JSONClient.Failure).map(explained) ?? error
        }
    }

    private func send(_ run: TrackedRun, isEnding: Bool) throws -> Outcome {
        var record = try TrackingRecord(folder: folder)
        var destination: TrackingRecord.Destination
        if let known = record.destinations[address.description] {
            destination = known
        } else {
            // First, so that a run that is begun is found again whatever happens then.
            try record.write(folder: folder)
            destination = .init(run: try server.run(id: record.id, of: run))
            isInStep = false
        }
        if !isInStep {
            guard let state = try server.state(of: destination.run) else {
                throw UserError(
                    "\(address): run \(destination.run) is no longer there; remove \(folder)/\(TrackingRecord.file) to send "
                        + "all as another run")
            }
            (destination.sent, destination.status) = state
            files = []
            try server.describe(destination.run, settings: run.settings, tags: run.tags)
        }
        func keep() throws {
            record.destinations[address.description] = destination
            try record.write(folder: folder)
        }
        // Before the values, so that those of a run that is told to have ended are all there.
        let status = run.status(isEnding: isEnding)
        let others = try run.otherScalars()
        var values = 0
        func take(_ scalars: [EventScalar]) throws {
            for start in stride(from: 0, to: scalars.count, by: MLflowServer.most.metrics) {
                let part = Self.new(
                    scalars[start..<min(start + MLflowServer.most.metrics, scalars.count)], &destination.sent)
                guard !part.isEmpty else { continue }
                try server.log(part, of: destination.run)
                values += part.count
                try keep()
            }
        }
        files = Self.joined(EventFile.all(in: folder), files)
        for index in files.indices {
            while let scalars = files[index].next() { try take(scalars) }
        }
        try take(others)
        if destination.status != status.rawValue {
            try server.describe(destination.run, settings: [:], tags: run.tags)
            try server.update(
                destination.run, status: status.rawValue, ended: status == .running ? nil : run.ended)
            destination.status = status.rawValue
        }
        try keep()
        isInStep = true
        return Outcome(values: values, run: destination.run, status: status.rawValue)
    }

    /// How many values of the run were not sent, as far as its folder tells.
    public func waiting() throws -> Int {
        var sent = try TrackingRecord(folder: folder).destinations[address.description]?.sent ?? [:]
        var count = 0
        for var file in EventFile.all(in: folder) {
            while let scalars = file.next() { count += Self.new(scalars[...], &sent).count }
        }
        return count + Self.new(try TrackedRun(folder: folder).otherScalars()[...], &sent).count
    }

    /// The scalars that come after those that were sent. A run that goes on from a checkpoint writes some steps again.
    private static func new(_ scalars: ArraySlice<EventScalar>, _ sent: inout [String: Int]) -> [EventScalar] {
        scalars.filter { scalar in
            let key = MLflowServer.key(scalar.tag)
            guard scalar.step > sent[key] ?? -1 else { return false }
            sent[key] = scalar.step
            return true
        }
    }

    /// The files that are there, those that were read before where they were left.
    private static func joined(_ found: [EventFile], _ read: [EventFile]) -> [EventFile] {
        found.map { file in read.first { $0.path == file.path } ?? file }
    }

    private func explained(_ failure: JSONClient.Failure) -> UserError {
        let remedy =
            switch failure {
            case .refused(401, _), .refused(403, _):
                "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
            case .refused(404, nil): "; no MLflow there, correct the address"
            case .noAnswer: "; start the server, or correct the address"
            default: ""
            }
        return UserError("\(address): \(failure)\(remedy)")
    }
}
