import Foundation
import Foundations
import Torch

/// A program started several times on this machine, as processes that work together: what `torchrun` does, for one machine.
///
/// They find each other by the environment (`LaunchEnvironment`). When one fails, the others are ended.
public struct ProcessTeam {
    private let program: String
    private let arguments: [String]
    private let size: Int
    private let port: Int

    /// A team of `size` processes.
    /// - Parameters:
    ///   - program: the path of what is started.
    ///   - port: where they meet on this machine; 0 takes one that is free.
    /// - Throws: `UserError` when no port is free.
    public init(_ program: String, _ arguments: [String], size: Int, port: Int = 0) throws {
        (self.program, self.arguments, self.size) = (program, arguments, size)
        self.port = try port == 0 ? LaunchEnvironment.freePort() : port
    }

    /// How long the others may take to save their states and end, in seconds.
    private static let patience = 60.0

    /// Starts the processes, waits for all of them, and passes on the signals that this one gets.
    /// - Returns: the exit status of the first that failed, 128 and its number for a signal; 0 when none did.
    /// - Throws: `UserError` for a program that cannot be started.
    public func run(report: (String) -> Void) throws -> Int32 {
        var processes: [Process] = []
        defer { for process in processes where process.isRunning { kill(process.processIdentifier, SIGKILL) } }
        for rank in 0..<size {
            let place = LaunchEnvironment(
                rank: rank, size: size, localRank: rank, localSize: size, host: "127.0.0.1", port: port)
            let process = Process()
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = arguments
            process.environment = ParentProcess.environment.merging(place.variables) { $1 }
            process.standardInput = FileHandle.nullDevice
            do {
                try process.run()
            } catch {
                throw UserError("\(program): cannot be started: \(error.localizedDescription)")
            }
            processes.append(process)
        }
        var failure: Int32 = 0
        var deadline: Date?
        func end(_ signal: Int32) {
            guard deadline == nil else { return }
            deadline = Date() + Self.patience
            for process in processes where process.isRunning { kill(process.processIdentifier, signal) }
        }
        while processes.contains(where: \.isRunning) {
            Thread.sleep(forTimeInterval: 0.02)
            if let interruption = Interruption.current { end(interruption.signal) }
            let failed = processes.firstIndex { !$0.isRunning && $0.status != 0 }
            if failure == 0, let failed {
                failure = processes[failed].status
                if Interruption.current == nil, size > 1 {
                    report("process \(failed) of \(size) \(processes[failed].ending); the others are ended")
                }
                end(SIGTERM)
            }
            if let limit = deadline, Date() > limit {
                for process in processes where process.isRunning { kill(process.processIdentifier, SIGKILL) }
            }
        }
        return failure != 0 ? failure : processes.map(\.status).first { $0 != 0 } ?? 0
    }
}

extension Process {
    /// The exit status as shells have it.
    fileprivate var status: Int32 { terminationReason == .exit ? terminationStatus : 128 + terminationStatus }

    /// How the process ended, in words.
    fileprivate var ending: String {
        terminationReason == .exit
            ? "ended with status \(terminationStatus)" : "was ended by signal \(terminationStatus)"
    }
}
