import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation

struct EvalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Evaluate a run's classifier on every domain of a data set.",
        discussion: """
            The checkpoint is the one that training-domain validation chose; the newest while the run goes on. Images \
            that the run was trained on are evaluated, too: only its held-out domain, or another data set with the same \
            classes, tells how it does on what it has not seen.

            Examples:
              domainfusion eval runs/erm
              domainfusion eval runs/erm --data data/MyPhotos --json
            """)

    @Argument(help: "The run's folder.")
    var run: String

    @Option(help: "Another data set with the same classes; the run's own by default.")
    var data: String?

    @Option(help: "Threads; all processors by default.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: "auto, cpu, cuda, cuda:INDEX or mps.")
    var device = "auto"

    @Flag(help: "Take the averaged model of a run with --average.")
    var averaged = false

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let model = try TrainedModel(run: run, averaged: averaged, device: device, threads: threads)
        let dataset = try ImageFolder(data.map { KnownDataset.locate($0) } ?? model.configuration.data)
        let scores = try model.scores(on: dataset, threads: threads)
        if json {
            let members = zip(dataset.environments, scores).map { ($0, $1) }
            print(try JSONValue(encoding: Dictionary(uniqueKeysWithValues: members)).text)
            return
        }
        print(averaged ? "averaged model of \(run)" : "step \(model.step) of \(run)")
        for (name, score) in zip(dataset.environments, scores) {
            let held = model.configuration.testDomains.contains(name) && data == nil ? ", held out" : ""
            print(
                "\(name): \(ResultText.percent(score.accuracy)) of \(score.count) images, by class "
                    + "\(ResultText.percent(score.meanClassAccuracy))\(held)")
        }
    }
}
