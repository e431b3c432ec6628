import DomainGeneralization
import Foundation
import Foundations

/// An Indexed Job for Kubernetes (1.31 or newer): one index a task.
///
/// A pod that is preempted or drained is started again and counts for nothing; an index whose pod fails four times is given up, and
/// the others go on.
public struct KubernetesJob {
    private let tasks: JobTasks
    private let container: String
    private let claim: String
    private let mount: String
    private let jobs: Int
    private let threads: Int
    private let gpus: Int

    /// The job of tasks.
    /// - Parameters:
    ///   - container: the image that has `domainfusion` on its path, and bash.
    ///   - claim: the persistent volume claim that holds data, models and the tasks' folder, for many pods at a time.
    ///   - mount: where the volume appears in the pods, which is where it is here, too: paths are the same.
    ///   - jobs: how many tasks run at a time.
    ///   - threads: processors of a task.
    ///   - gpus: GPUs of a task, of NVIDIA's device plugin.
    public init(
        _ tasks: JobTasks, container: String, claim: String, mount: String, jobs: Int, threads: Int, gpus: Int = 0
    ) {
        self.tasks = tasks
        self.container = container
        self.claim = claim
        self.mount = URL(fileURLWithPath: mount).path
        self.jobs = jobs
        self.threads = threads
        self.gpus = gpus
    }

    /// The job's name: what Kubernetes allows of the folder's.
    private var name: String {
        let letters = FilePath.name(of: tasks.folder).lowercased().unicodeScalars.map { letter in
            letter.isASCII && (letter.properties.isAlphabetic || letter.properties.numericType != nil)
                ? Character(letter) : "-"
        }
        let text = String(letters.prefix(50)).trimmingCharacters(in: ["-"])
        return text.isEmpty ? "domainfusion" : "domainfusion-\(text)"
    }

    /// The manifest, laid out for a person to change.
    public var text: String {
        func quoted(_ text: String) -> String { JSONValue.string(text).text }
        let script = tasks.script(program: "domainfusion", number: "JOB_COMPLETION_INDEX")
            .split(separator: "\n").map { "              \($0)" }.joined(separator: "\n")
        return """
            apiVersion: batch/v1
            kind: Job
            metadata:
              name: \(name)
            spec:
              completionMode: Indexed
              completions: \(tasks.count)
              parallelism: \(jobs)
              # Of pods that fail by themselves; the other indices go on.
              backoffLimitPerIndex: 3
              podFailurePolicy:
                rules:
                # A pod that is preempted or drained is started again, however often.
                - action: Ignore
                  onPodConditions:
                  - type: DisruptionTarget
                    status: "True"
              template:
                spec:
                  restartPolicy: Never
                  # A run that is told to end saves its state first.
                  terminationGracePeriodSeconds: 120
                  containers:
                  - name: domainfusion
                    image: \(quoted(container))
                    command: ["/bin/bash", "-c"]
                    args:
                    - |
            \(script)
                    resources:
                      requests:
                        cpu: \(threads)\(gpus > 0 ? "\n          limits:\n            nvidia.com/gpu: \(gpus)" : "")
                    volumeMounts:
                    - name: work
                      mountPath: \(quoted(mount))
                  volumes:
                  - name: work
                    persistentVolumeClaim:
                      claimName: \(quoted(claim))

            """
    }

    /// Writes the manifest, the list of members and their settings.
    /// - Returns: the manifest's path.
    /// - Throws: `UserError` for folders that the pods would not see; a one-line error for one that cannot be written.
    public func write() throws -> String {
        for path in [FileManager.default.currentDirectoryPath, tasks.folder]
        where !"\(path)/".hasPrefix(mount == "/" ? mount : "\(mount)/") {
            throw UserError(
                "\(path): not on the volume that pods see at \(mount); work below it, or name where it is mounted here "
                    + "(--claim \(claim)=PATH)")
        }
        return try tasks.write(text, as: "kubernetes.yaml")
    }
}
