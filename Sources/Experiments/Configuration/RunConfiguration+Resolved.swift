import DomainGeneralization
import Foundations

extension RunConfiguration {
    /// These settings with every one of the algorithm's and of what is added to it, those that are not given at their
    /// defaults.
    /// - Throws: `UserError` for an unknown name or an impossible value.
    func resolved(_ registry: AlgorithmRegistry) throws -> RunConfiguration {
        let found = try registry.algorithm(named: algorithm.name)
        var result = try Additions.resolved(self)
        result.algorithm.name = found.name
        result.algorithm.hyperparameters = try found.resolved(algorithm.hyperparameters)
        return result
    }
}
