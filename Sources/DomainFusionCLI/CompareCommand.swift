import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation
import Foundations

struct CompareCommand: AsyncParsableCommand {
    enum Format: String, CaseIterable, ExpressibleByArgument {
        case text, json
    }

    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare the methods of a sweep with one of them, image by image.",
        discussion: """
            For every held-out domain: each method's accuracy, and its gain over the one that is named, paired by image \
            and seed, with a 95 % interval for other images and other trainings; and what a run of each method costs. \
            'domainfusion report' prints DomainBed's tables of the same runs.

            Examples:
              domainfusion compare runs/sweep --against ERM
              domainfusion compare runs/erm runs/fusion
            """)

    @Argument(help: "Folders of runs, or of sweeps.", completion: .directory)
    var folders: [String]

    @Option(help: "The method, an algorithm or a variant, that gains are measured against.")
    var against = "ERM"

    @Option(help: "text or json.")
    var format = Format.text

    func run() async throws {
        let comparison = try RunComparison(folders: folders, baseline: against) { printError("warning: \($0)") }
        let costs = try MethodCost.all(in: folders)
        switch format {
        case .text: printText(comparison.text() + "\n" + MethodCost.text(costs))
        case .json:
            var members = try JSONValue(encoding: comparison).object ?? [:]
            members["costs"] = try JSONValue(encoding: costs)
            print(JSONValue.object(members).text)
        }
    }
}
