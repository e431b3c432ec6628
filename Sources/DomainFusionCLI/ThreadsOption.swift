import ArgumentParser
import Foundation

/// How many threads a command works with.
struct ThreadsOption: ParsableArguments {
    @Option(help: "Threads; all processors by default.")
    var threads = ProcessInfo.processInfo.activeProcessorCount

    func validate() throws { try Self.check(threads) }

    /// - Throws: `ValidationError` for a number that no machine has.
    static func check(_ threads: Int) throws {
        try DomainFusionCLI.check("--threads", threads, in: 1...1024)
    }
}
