import DomainGeneralization
import Foundation
import Foundations
import Torch

/// A job array for SLURM: one task a member.
public struct SlurmScript {
    private let members: [SweepMember]
    private let folder: String
    private let program: String
    private let jobs: Int
    private let threads: Int
    private let tracker: TrackerAddress?

    /// The job array of a sweep's members.
    /// - Parameters:
    ///   - folder: the sweep's folder, on a file system that the nodes share.
    ///   - program: the path of `domainfusion` on the nodes.
    ///   - jobs: how many tasks run at a time.
    ///   - threads: processors of a task.
    ///   - tracker: what the tasks send their figures to, beside their folders.
    public init(
        _ members: [SweepMember], folder: String, program: String, jobs: Int, threads: Int,
        tracker: TrackerAddress? = nil
    ) {
        self.members = members
        self.folder = URL(fileURLWithPath: folder).path
        self.program = program
        self.jobs = jobs
        self.threads = threads
        self.tracker = tracker
    }

    private var names: String { members.map { "\($0.name)\n" }.joined() }

    /// The list of members, a file of its own for each list: tasks of an earlier submission may still read theirs.
    private var list: String {
        "\(folder)/slurm-members-\(SHA256Sum.of(names).prefix(8)).txt"
    }

    /// The script. A task that is run again goes on from its last checkpoint.
    public var text: String {
        """
        #!/bin/bash
        #SBATCH --job-name=\(Self.plain(FilePath.name(of: folder)))
        #SBATCH --array=0-\(max(0, members.count - 1))%\(jobs)
        #SBATCH --cpus-per-task=\(threads)
        #SBATCH --output=\(Self.pattern(folder))/slurm-%a.log"
        #SBATCH --requeue
        # Further options (--partition, --gres=gpu:1, --time, …) can be given to sbatch.
        set -euo pipefail
        cd \(shellQuoted(FileManager.default.currentDirectoryPath))
        member=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" \(shellQuoted(list)))
        exec \(shellQuoted(program)) train --config \(shellQuoted("\(folder)/members"))/"$member.yaml" \\
            --run-dir \(shellQuoted(folder))/"$member" --threads \(threads)\(tracker.map { " --track \(shellQuoted("\($0)"))" } ?? "")

        """
    }

    /// Writes the script, the list of members and their settings.
    /// - Returns: the script's path.
    /// - Throws: a one-line error for a folder that cannot be written.
    public func write() throws -> String {
        // sbatch has no way to write these in its options.
        if let odd = folder.unicodeScalars.first(where: { $0 == "\\" || $0.value < 0x20 || $0.value == 0x7F }) {
            throw UserError(
                "\(folder): SLURM cannot write to a folder whose name has \(odd == "\\" ? "a backslash" : "a line break") "
                    + "in it; choose another with --output")
        }
        guard !FilePath.isEscaped(folder) else {
            throw UserError(
                "\(folder): a name that is not UTF-8, which SLURM cannot write to; choose another with --output")
        }
        try AtomicFile.makeFolder(folder)
        for member in members { try member.writeSettings(in: folder) }
        try AtomicFile.write(names, to: list)
        let path = "\(folder)/slurm.sh"
        try AtomicFile.write(text, to: path)
        return path
    }

    /// The beginning of a file name for sbatch's options, in the double quotes that it understands and must be closed with:
    /// there `%` stands for a number of the job.
    private static func pattern(_ text: String) -> String {
        "\"" + text.replacingOccurrences(of: "\"", with: "\\\"").replacingOccurrences(of: "%", with: "%%")
    }

    private static func plain(_ text: String) -> String {
        String(text.map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "_" })
    }
}
