import ArgumentParser
import CStartup
import DomainGeneralization
import Experiments
import Foundation
import Foundations
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
            InitCommand.self, TrainCommand.self, LaunchCommand.self, SweepCommand.self, ReportCommand.self,
            CompareCommand.self, EvalCommand.self, PredictCommand.self, ServeCommand.self, StudioCommand.self,
            ExportCommand.self, DataCommand.self, LDMCommand.self, CurvesCommand.self, FeaturesCommand.self,
            AugmentCommand.self, GenerateCommand.self,
            StoreCommand.self, TrackCommand.self, DemoCommand.self, InfoCommand.self,
        ])

    /// Runs the command; an error becomes one line on standard error and an exit status that is not 0.
    static func main() {
        Terminal.prepare()
        MappedFile.explainLoss()
        Machine.explainTermination()
        // A training step then touches no new pages of memory, which saves a tenth of its time.
        Machine.keepFreedMemory()
        // Before anything asynchronous, whose library stops the process where no file can be opened.
        let files = OpenFiles.raiseLimit()
        guard files >= OpenFiles.needed else {
            end(
                with: UserError(
                    "this process may have \(files) files open; allow it at least \(OpenFiles.needed) (ulimit -n "
                        + "\(OpenFiles.needed))"))
        }
        Task {
            await run()
            Foundation.exit(0)
        }
        dispatchMain()
    }

    private static func run() async {
        do {
            var command = try command(ProgramArguments.texts)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            if let failure = Terminal.finishOutput() { throw failure }
        } catch {
            end(with: error)
        }
    }

    /// The command that a command line asks for.
    /// - Throws: the parser's error; help texts come as one, too.
    static func command(_ arguments: [String]) throws -> any ParsableCommand {
        try parseAsRoot(FormerNames.replaced(in: arguments))
    }

    private static func end(with error: any Error) -> Never {
        // What a command printed before it failed arrives, or its failure is the one that counts.
        _ = Terminal.finishOutput()
        if let code = error as? ExitCode { Foundation.exit(code.rawValue) }
        if let inUse = error as? FolderInUse {
            printError("error: \(inUse)")
            Foundation.exit(FolderInUse.exitStatus)
        }
        if let failure = error as? Terminal.OutputFailure {
            // As a program that a closed pipe ends: `domainfusion info | head -1` has shown all that was asked for.
            if failure.isClosedPipe { Foundation.exit(128 + SIGPIPE) }
        }
        if let interruption = error as? Interruption {
            printError("\(interruption)")
            Foundation.exit(interruption.exitStatus)
        }
        let status = exitCode(for: error)
        // Help and version texts come as errors, too.
        if status == .success {
            printText(fullMessage(for: error))
            if let failure = Terminal.finishOutput() { end(with: failure) }
            Foundation.exit(0)
        }
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
    Terminal.printError(line)
}
