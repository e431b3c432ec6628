import ArgumentParser
import Foundation

/// How many threads a command works with.
struct ThreadsOption: ParsableArguments {
    @Option(help: "Threads; by default all processors (in a sweep each run's share of them, or 4 with slurm).")
    var threads: Int?

    /// The number, all processors where none is given.
    var count: Int { threads ?? ProcessInfo.processInfo.activeProcessorCount }

    func validate() throws { try check("--threads", threads, in: 1...1024) }
}
