import DomainGeneralization
import Foundation
import Foundations

/// Tasks for a cluster, each a process of `domainfusion` that goes on where one before it was stopped.
public struct JobTasks: Sendable {
    /// How many there are.
    public let count: Int
    /// The folder that they work on, which all of them see; a whole path.
    public let folder: String
    private let members: [SweepMember]
    private let arguments: [String]

    /// One task for each member of a sweep, in the sweep's folder.
    /// - Parameter tracker: what the tasks send their figures to, beside their folders.
    public init(_ members: [SweepMember], folder: String, threads: Int, tracker: TrackerAddress? = nil) {
        self.members = members
        self.folder = URL(fileURLWithPath: folder).path
        count = members.count
        arguments = ["--threads", "\(threads)"] + (tracker.map { ["--track", "\($0)"] } ?? [])
    }

    /// The same command several times, for commands that share their work by a folder.
    public init(command: [String], count: Int, folder: String) {
        members = []
        self.folder = URL(fileURLWithPath: folder).path
        self.count = count
        arguments = command
    }

    private var names: String { members.map { "\($0.name)\n" }.joined() }

    /// The list of members, a file of its own for each list: tasks of an earlier submission may still read theirs.
    private var list: String { "\(folder)/members-\(SHA256Sum.of(names).prefix(8)).txt" }

    /// The lines of bash that become a task.
    /// - Parameters:
    ///   - program: the path of `domainfusion` where the task runs.
    ///   - number: the variable that holds the task's number, from 0 on.
    func script(program: String, number: String) -> String {
        let quoted = arguments.map(shellQuoted).joined(separator: " ")
        let start = "set -euo pipefail\ncd \(shellQuoted(FileManager.default.currentDirectoryPath))\n"
        guard !members.isEmpty else { return start + "exec \(shellQuoted(program)) \(quoted)\n" }
        return start + """
            member=$(sed -n "$((\(number) + 1))p" \(shellQuoted(list)))
            exec \(shellQuoted(program)) train --config \(shellQuoted("\(folder)/members"))/"$member.yaml" \\
                --run-dir \(shellQuoted(folder))/"$member" \(quoted)

            """
    }

    /// Writes what the tasks read, and a file for the cluster beside it.
    /// - Returns: the file's path.
    /// - Throws: a one-line error for a folder that cannot be written.
    func write(_ text: String, as name: String) throws -> String {
        try AtomicFile.makeFolder(folder)
        for member in members { try member.writeSettings(in: folder) }
        if !members.isEmpty { try AtomicFile.write(names, to: list) }
        let path = "\(folder)/\(name)"
        try AtomicFile.write(text, to: path)
        return path
    }
}
