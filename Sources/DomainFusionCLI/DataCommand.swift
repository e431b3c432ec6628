import ArgumentParser
import DomainGeneralization
import Foundation
import Foundations

struct DataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Prepare, check and look at data sets.",
        discussion: """
            A data set is a folder of domains with folders of classes: DIR/<domain>/<class>/<image>. Any such folder \
            can be trained on.
            """,
        subcommands: [DataPrepare.self, DataCheckCommand.self, DataSheetCommand.self, DataListCommand.self])
}

struct DataListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the data sets in a folder, and how to get those that are missing.",
        discussion: "Example: domainfusion data list ~/datasets")

    @Argument(help: "The folder that holds data sets.", completion: .directory)
    var folder = "data"

    func run() async throws {
        guard Files.isFolder(folder) || !Files.exists(folder) && folder == "data" else {
            throw UserError("\(folder): no such folder; give the one that holds the data sets' folders")
        }
        let found = KnownDataset.found(in: folder)
        for path in found {
            let dataset = try ImageFolder(path)
            print(
                "\(dataset.datasetName): \(path), \(dataset.items.count) images, \(dataset.classes.count) classes, domains "
                    + dataset.environments.joined(separator: ", "))
            for line in KnownDataset.named(dataset.name)?.differences(dataset) ?? [] { print("  warning: \(line)") }
        }
        for known in KnownDataset.all where !found.contains("\(folder)/\(known.folder)") {
            let path = "\(folder)/\(known.folder)"
            if Files.exists(path) {
                // It is there and cannot be used: the reason.
                do { _ = try ImageFolder(path) } catch { print("\(known.name): unusable: \(error)") }
            } else {
                print("\(known.name): missing; \(known.remedy(directory: folder))")
            }
        }
        print("Any other folder <name>/<domain>/<class>/<image> in \(folder) is a data set, too.")
    }
}
