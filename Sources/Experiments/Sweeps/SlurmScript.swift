import Foundation
import Foundations

/// A job array for SLURM.
public struct SlurmScript {
    private let tasks: JobTasks
    private let program: String
    private let jobs: Int
    private let threads: Int
    private let gpus: Int

    /// The job array of tasks, whose folder is on a file system that the nodes share.
    /// - Parameters:
    ///   - program: the path of `domainfusion` on the nodes.
    ///   - jobs: how many tasks run at a time.
    ///   - threads: processors of a task.
    ///   - gpus: GPUs of a task.
    public init(_ tasks: JobTasks, program: String, jobs: Int, threads: Int, gpus: Int = 0) {
        self.tasks = tasks
        self.program = program
        self.jobs = jobs
        self.threads = threads
        self.gpus = gpus
    }

    /// The script. A task that is run again goes on from its last checkpoint.
    public var text: String {
        """
        #!/bin/bash
        #SBATCH --job-name=\(Self.plain(FilePath.name(of: tasks.folder)))
        #SBATCH --array=0-\(max(0, tasks.count - 1))%\(jobs)
        #SBATCH --cpus-per-task=\(threads)\(gpus > 0 ? "\n#SBATCH --gpus-per-task=\(gpus)" : "")
        #SBATCH --output=\(Self.pattern(tasks.folder))/slurm-%a.log"
        #SBATCH --requeue
        # Further options (--partition, --time, …) can be given to sbatch.

        """ + tasks.script(program: program, number: "SLURM_ARRAY_TASK_ID")
    }

    /// Writes the script, the list of members and their settings.
    /// - Returns: the script's path.
    /// - Throws: a one-line error for a folder that cannot be written.
    public func write() throws -> String {
        let folder = tasks.folder
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
        return try tasks.write(text, as: "slurm.sh")
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
