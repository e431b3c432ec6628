import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation
import Torch

@main
struct DomainFusionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "domainfusion",
        abstract: "Train image classifiers that work on a domain never seen in training.",
        discussion: """
            A first run, from nothing to a classifier for pixel art that has never seen any:

              domainfusion data prepare emoji
              domainfusion train --data data/EmojiDG --test-domain unifont --run-dir runs/erm
              domainfusion predict data/EmojiDG/unifont/animal/1F981-lion.png --run runs/erm

            'domainfusion help SUBCOMMAND' explains each step with examples.
            """,
        version: toolkitVersion,
        subcommands: [
            TrainCommand.self, SweepCommand.self, ReportCommand.self, CompareCommand.self, EvalCommand.self,
            PredictCommand.self, DataCommand.self, LDMCommand.self, CurvesCommand.self, AugmentCommand.self,
            StoreCommand.self, DemoCommand.self, InfoCommand.self,
        ])

    /// Runs the command; an error becomes one line on standard error and an exit status that is not 0.
    static func main() async {
        // A training step then touches no new pages of memory, which saves a tenth of its time.
        Machine.keepFreedMemory()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            end(with: error)
        }
    }

    private static func end(with error: any Error) -> Never {
        if let code = error as? ExitCode { exit(withError: code) }
        if let interruption = error as? Interruption {
            printError("\(interruption)")
            Foundation.exit(interruption.exitStatus)
        }
        let status = exitCode(for: error)
        // Help and version texts come as errors, too.
        if status == .success { exit(withError: error) }
        var line = "\(error)"
        if status == .validationFailure {
            line = message(for: error).split(separator: "\n").first.map(String.init) ?? line
            line += "; see 'domainfusion help' with the subcommand's name"
        }
        printError("error: \(line.replacingOccurrences(of: "\n", with: " "))")
        Foundation.exit(status == .validationFailure ? status.rawValue : 1)
    }
}

/// Prints a line on standard error.
func printError(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
}
