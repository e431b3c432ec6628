import DomainGeneralization
import Foundations

extension RunConfiguration {
    /// The data set and the domains that are held out, before anything is read of the images.
    /// - Throws: `UserError` for settings that are out of range, a folder that is no data set, a domain that it has not, or
    ///   no domain left to train on.
    func openedData() throws -> (folder: ImageFolder, heldOut: [Int]) {
        try validate()
        let folder = try ImageFolder(data)
        let held = try Set(testDomains.map(folder.environment(named:)))
        guard oracle || held.count < folder.environments.count else {
            throw UserError(
                "all domains are held out; leave at least one of \(folder.environments.joined(separator: ", "))")
        }
        return (folder, held.sorted())
    }

    /// Looks at the data before a diffusion model is fetched for them, which may take long.
    /// - Throws: `UserError`, as ``TrainingRun`` would.
    public func checkData() throws { _ = try openedData() }

    /// - Throws: `UserError` where the algorithm, or what is added to it, needs a diffusion model and the settings name none; it
    ///   says what to fetch or train.
    public func requireModel(registry: AlgorithmRegistry = .all) throws {
        let found = try registry.algorithm(named: algorithm.name)
        let names = try [
            found.resolved(algorithm.hyperparameters)["ldm"], Additions.resolved(self).diffusion?["ldm"],
        ]
        guard names.contains(.string("")) else { return }
        throw UserError("\(methodName(found.name)) needs a latent diffusion model; \(EmbeddedModel.remedy)")
    }
}
