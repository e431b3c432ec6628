import ArgumentParser
import DomainGeneralization

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
        commandName: "list", abstract: "List the data sets in a folder.",
        discussion: "Example: domainfusion data list ~/datasets")

    @Argument(help: "The folder that holds data sets.")
    var folder = "data"

    func run() async throws {
        let found = KnownDataset.found(in: folder)
        guard !found.isEmpty else {
            let known = KnownDataset.all.map(\.folder).joined(separator: ", ")
            throw UserError(
                "\(folder): no data set in it; put one there (\(known), or your own <name>/<domain>/<class>/<image>), or "
                    + "run: domainfusion data prepare emoji")
        }
        for path in found {
            let dataset = try ImageFolder(path)
            print(
                "\(path): \(dataset.items.count) images, \(dataset.classes.count) classes, domains "
                    + dataset.environments.joined(separator: ", "))
        }
    }
}
