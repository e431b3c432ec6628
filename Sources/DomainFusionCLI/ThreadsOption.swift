import ArgumentParser
import Foundation
import Torch

/// How many threads a command works with.
struct ThreadsOption: ParsableArguments {
    @Option(help: "Threads; by default all processors (in a sweep each run's share of them, or 4 on a cluster).")
    var threads: Int?

    /// The number; where none is given all processors, or of several processes that were launched together this one's share.
    var count: Int {
        let environment = ProcessInfo.processInfo.environment
        let processes = (try? LaunchEnvironment(environment))?.localSize ?? 1
        return threads ?? max(1, ProcessInfo.processInfo.activeProcessorCount / processes)
    }

    func validate() throws { try check("--threads", threads, in: 1...1024) }
}
