import ArgumentParser
import Experiments
import Foundation
import Foundations

/// Where the tasks of a command run on a cluster.
struct ClusterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("GPUs of a task, of slurm and kubernetes."))
    var gpus = 0

    @Option(
        help: ArgumentHelp(
            "Of kubernetes the container image with domainfusion on its path (Containerfile makes one).",
            valueName: "image"))
    var container: String?

    @Option(
        help: ArgumentHelp(
            "Of kubernetes the volume claim with data, models and output, and where it is mounted here and in the pods "
                + "(by default the current folder).", valueName: "name[=path]"))
    var claim: String?

    func validate() throws { try check("--gpus", gpus, in: 0...1024) }

    /// Writes a job array.
    /// - Returns: how it is submitted.
    func slurm(_ tasks: JobTasks, jobs: Int, threads: Int) throws -> String {
        let script = SlurmScript(
            tasks, program: SweepCommand.program, jobs: jobs, threads: threads, gpus: gpus)
        return "\(tasks.count) tasks; submit them with: sbatch \(shellQuoted(try script.write()))"
    }

    /// Writes an Indexed Job.
    /// - Returns: how it is submitted.
    func kubernetes(_ tasks: JobTasks, jobs: Int, threads: Int) throws -> String {
        guard let container, let claim else {
            throw ValidationError(
                "--launcher kubernetes needs --container IMAGE and --claim NAME, the volume that pods share")
        }
        let parts = claim.split(separator: "=", maxSplits: 1).map(String.init)
        guard let name = parts.first, !name.isEmpty, !claim.hasPrefix("=") else {
            throw ValidationError("--claim: '\(claim)' names no volume claim; write NAME or NAME=PATH")
        }
        let job = KubernetesJob(
            tasks, container: container, claim: name,
            mount: parts.count > 1 ? parts[1] : FileManager.default.currentDirectoryPath, jobs: jobs, threads: threads,
            gpus: gpus)
        return "\(tasks.count) tasks; submit them with: kubectl apply -f \(shellQuoted(try job.write()))"
    }
}
