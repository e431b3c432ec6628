import DomainGeneralization
import Foundation
import Foundations

extension RunConfiguration {
    /// These settings with the hyperparameters of a random draw, which depends on the algorithm, the data set and the
    /// seed. Draw 0 gives DomainBed's defaults under a preset that follows DomainBed, and changes nothing otherwise.
    /// - Throws: `UserError` for an unknown algorithm.
    public func drawing(_ draw: Int, registry: AlgorithmRegistry) throws -> RunConfiguration {
        var result = self
        result.draw = draw
        let found = try registry.algorithm(named: algorithm.name)
        guard draw > 0 || followsDomainBed else { return result }
        let name = KnownDataset.named(data)?.name ?? FilePath.name(of: data)
        let values = HyperparameterSearch(found, dataset: name).settings(draw: draw, trial: seed)
        for (setting, value) in values.run.sorted(by: { $0.key < $1.key }) {
            result = try result.changed(by: JSONValue(value, at: setting), source: "draw \(draw)")
        }
        for (setting, value) in values.algorithm {
            result.algorithm.hyperparameters = result.algorithm.hyperparameters
                .overlaid(by: JSONValue(value, at: setting))
        }
        return result
    }

    /// The hyperparameters by DomainBed's names, for the records of a run.
    func domainBedHyperparameters(_ search: HyperparameterSearch) -> [String: JSONValue] {
        let settings = (try? JSONValue(encoding: self))?.flattened() ?? [:]
        var result: [String: JSONValue] = [
            "freeze_bn": .bool(backbone.freezeBatchNorm), "class_balanced": .bool(classBalanced),
            "data_augmentation": .bool(augmentation != .none), "backbone": .string(backbone.name),
        ]
        for range in search.ranges where range.place == .run {
            if let value = settings[range.setting] { result[range.key] = value }
        }
        let names = Dictionary(search.algorithm.settings.map { ($0.name, $0.domainBedName) }) { $1 }
        for (name, value) in algorithm.hyperparameters.object ?? [:] { result[names[name] ?? name] = value }
        return result
    }
}
