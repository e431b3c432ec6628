import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// Runs members of a sweep as processes on this machine, several at a time.
public struct LocalLauncher: Sendable {
    /// How a member of the sweep ended.
    public enum Outcome: Sendable, Equatable {
        /// It was trained to its end.
        case done
        /// It failed, for this reason in one line.
        case failed(String)
        /// A signal ended the sweep; the member's state is saved.
        case interrupted
    }

    /// What happens, for whoever shows it: from several threads.
    public enum Event: Sendable {
        /// A member's process has begun.
        case started(SweepMember)
        /// Another process trains it, such as another sweep's on the same folder; it is looked at again when the others are done.
        case waiting(SweepMember)
        /// A member's process has ended.
        case ended(SweepMember, Outcome)
    }

    private let program: String
    private let folder: String
    private let jobs: Int
    private let threads: Int
    private let devices: [String]
    private let tracker: TrackerAddress?

    /// A launcher of a sweep's members on this machine.
    /// - Parameters:
    ///   - program: the path of `domainfusion`.
    ///   - folder: the sweep's folder.
    ///   - jobs: how many members run at a time.
    ///   - threads: threads of each.
    ///   - devices: a member goes to the one with the fewest; empty for the device of the settings.
    ///   - tracker: what the members send their figures to, beside their folders.
    public init(
        program: String, folder: String, jobs: Int, threads: Int, devices: [String], tracker: TrackerAddress? = nil
    ) {
        self.program = program
        self.folder = folder
        self.jobs = max(1, jobs)
        self.threads = max(1, threads)
        self.devices = devices
        self.tracker = tracker
    }

    /// Runs the members to their ends; one that fails does not stop the others.
    /// - Throws: a one-line error for a folder that cannot be written.
    public func run(_ members: [SweepMember], report: @escaping @Sendable (Event) -> Void) throws -> [Outcome] {
        try AtomicFile.makeFolder(folder)
        for member in members { try member.writeSettings(in: folder) }
        let turns = Turns(devices)
        let first = try parallelMap(members.count, threads: jobs) { index in
            attempt(members[index], turns: turns, report: report)
        }
        // Those that another process had are waited for: it may finish them, or leave them to be finished.
        let others = first.indices.filter { first[$0] == nil }
        let second = try parallelMap(others.count, threads: jobs) { place in
            let member = members[others[place]]
            while Interruption.current == nil {
                if let outcome = attempt(member, turns: turns, report: report) { return outcome }
                Thread.sleep(forTimeInterval: 0.5)
            }
            return .interrupted
        }
        let late = Dictionary(uniqueKeysWithValues: zip(others, second))
        return first.indices.map { first[$0] ?? late[$0] ?? .interrupted }
    }

    /// Runs a member to its end.
    /// - Returns: nil when another process trains it.
    private func attempt(
        _ member: SweepMember, turns: Turns, report: @escaping @Sendable (Event) -> Void
    ) -> Outcome? {
        guard Interruption.current == nil else { return .interrupted }
        if member.state(in: folder) == .done { return ended(member, .done, report) }
        guard !FolderLock.isHeld("\(folder)/\(member.name)") else {
            report(.waiting(member))
            return nil
        }
        report(.started(member))
        let device = turns.take()
        defer { turns.giveBack(device) }
        return run(member, device: device).map { ended(member, $0, report) }
    }

    private func ended(
        _ member: SweepMember, _ outcome: Outcome, _ report: @Sendable (Event) -> Void
    ) -> Outcome {
        report(.ended(member, outcome))
        return outcome
    }

    /// - Returns: nil when another process has begun to train it meanwhile.
    private func run(_ member: SweepMember, device: String?) -> Outcome? {
        let path = "\(folder)/\(member.name)"
        let log = "\(path)/log.txt"
        do {
            try AtomicFile.makeFolder(path)
            guard FileManager.default.createFile(atPath: log, contents: nil),
                let output = FileHandle(forWritingAtPath: log)
            else { return .failed("\(log): cannot be written; check the folder's permissions") }
            defer { try? output.close() }
            let process = Process()
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = member.arguments(
                in: folder, threads: threads, device: device, tracker: tracker)
            process.environment = ParentProcess.environment
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = output
            process.standardError = output
            try process.run()
            var isTold = false
            while process.isRunning {
                Thread.sleep(forTimeInterval: 0.05)
                // The member saves its state on the signal.
                if !isTold, let interruption = Interruption.current {
                    kill(process.processIdentifier, interruption.signal)
                    isTold = true
                }
            }
            process.waitUntilExit()
            if process.terminationReason == .exit, process.terminationStatus == 0 { return .done }
            if process.terminationReason == .exit, process.terminationStatus == FolderInUse.exitStatus {
                return nil
            }
            if Interruption.current != nil { return .interrupted }
            return .failed(reason(process, log: log))
        } catch {
            return .failed("\(path): cannot be run: \(error.localizedDescription)")
        }
    }

    /// The devices by how many members are on each.
    private final class Turns: @unchecked Sendable {  // the variable is guarded by the lock
        private let lock = NSLock()
        private var counts: [(device: String, members: Int)]

        init(_ devices: [String]) { counts = devices.map { ($0, 0) } }

        /// A device with the fewest members, the first of several; nil where there are none.
        func take() -> String? {
            lock.withLock {
                guard let index = counts.indices.min(by: { counts[$0].members < counts[$1].members }) else {
                    return nil
                }
                counts[index].members += 1
                return counts[index].device
            }
        }

        func giveBack(_ device: String?) {
            lock.withLock {
                for index in counts.indices where counts[index].device == device { counts[index].members -= 1 }
            }
        }
    }

    /// The error that the member printed, or how its process ended.
    private func reason(_ process: Process, log: String) -> String {
        let text = Files.contents(log).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let lines = text.split(whereSeparator: \.isNewline)
        if let line = lines.last(where: { $0.hasPrefix("error: ") }) { return String(line.dropFirst("error: ".count)) }
        let ending =
            process.terminationReason == .exit
            ? "ended with status \(process.terminationStatus)" : "was ended by signal \(process.terminationStatus)"
        return "\(ending); see \(log)"
    }
}
