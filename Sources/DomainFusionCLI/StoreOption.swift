import ArgumentParser
import DomainFusion
import Foundations

/// Which store of diffusion models' results.
struct StoreOption: ParsableArguments {
    @Option(
        help: "The folder of results of diffusion models that runs share; store by default.", completion: .directory)
    var store: String?

    /// The store's folder, where a command has no other default.
    var folder: String { store ?? "store" }

    /// - Throws: ``UserError`` where there is no folder.
    func existing() throws -> ContentStore {
        guard Files.isFolder(folder) else {
            throw UserError("\(folder): no such folder; give the store's folder with --store")
        }
        return ContentStore(folder)
    }
}
