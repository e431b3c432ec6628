import ArgumentParser
import Foundations

/// Does work on a folder that the same command takes up again, and says so where a signal ends it.
/// - Throws: what the work throws; of a signal the exit status that shells give it.
func resumable<Result>(_ folder: String, _ progress: Progress, _ work: () throws -> Result) throws -> Result {
    do {
        defer { progress.clear() }
        return try work()
    } catch let interruption as Interruption {
        printError("\(interruption): what was done is in \(folder); the same command goes on from there")
        throw ExitCode(interruption.exitStatus)
    }
}
