import ArgumentParser
import Experiments
import Foundation
import Foundations

struct TrackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "track",
        abstract: "Send a tracker what runs have written: settings, metrics, status.",
        discussion: """
            Runs that end while the tracker is down, that were killed, or that were trained without --track are sent later. What a \
            tracker has is not sent again. \(TrackingOption.credentials)

            Examples:
              domainfusion track runs/erm --to mlflow=http://127.0.0.1:5000
              domainfusion track runs/sweep --to mlflow=https://mlflow.example.org
            """)

    @Argument(help: "Runs' folders, or folders of runs such as a sweep's.", completion: .directory)
    var folders: [String]

    @Option(help: ArgumentHelp("The tracker: mlflow=URL.", valueName: "tracker"), completion: .list(["mlflow=http://"]))
    var to: String

    func run() async throws {
        let address = try TrackerAddress(to)
        Interruption.watch()
        for folder in try folders.flatMap(Self.runs) {
            let sender = try RunSender(folder: folder, address: address, poll: Interruption.poll)
            let outcome = try sender.send()
            print("\(folder): \(outcome.values) values sent, run \(outcome.run), \(outcome.status.lowercased())")
        }
    }

    /// The folder itself where it is a run's, else the runs in it.
    private static func runs(_ folder: String) throws -> [String] {
        func isRun(_ path: String) -> Bool { Files.exists("\(path)/config.yaml") }
        if isRun(folder) { return [folder] }
        let runs = (Files.names(in: folder) ?? []).map { "\(folder)/\($0)" }.filter(isRun)
        guard !runs.isEmpty else {
            throw UserError("\(folder): no run in this folder (no config.yaml); give a run's folder, or a sweep's")
        }
        return runs
    }
}
