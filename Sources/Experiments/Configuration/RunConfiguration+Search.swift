import DomainGeneralization
import Foundation
import Foundations

extension RunConfiguration {
    /// These settings with the hyperparameters of a random draw, which depends on the algorithm, the data set and the
    /// seed. Draw 0 gives DomainBed's defaults under a preset that follows DomainBed, and changes nothing otherwise.
    /// - Throws: ``UserError`` for an unknown algorithm.
    public func drawing(_ draw: Int, registry: AlgorithmRegistry) throws -> RunConfiguration {
        var result = self
        result.draw = draw
        let found = try registry.algorithm(named: algorithm.name)
        guard draw > 0 || followsDomainBed else { return result }
        let name = KnownDataset.named(data)?.name ?? FilePath.name(of: data)
        let values = HyperparameterSearch(found, dataset: name).settings(draw: draw, trial: seed)
        for (setting, value) in values.run.sorted(by: { $0.key < $1.key }) {
            let nested = setting.split(separator: ".").reversed().reduce(value) { .object([String($1): $0]) }
            result = try result.changed(by: nested, source: "draw \(draw)")
        }
        let own = (result.algorithm.hyperparameters.object ?? [:]).merging(values.algorithm) { $1 }
        result.algorithm.hyperparameters = .object(own)
        return result
    }

    /// The hyperparameters by DomainBed's names, for the records of a run.
    func domainBedHyperparameters(_ search: HyperparameterSearch) -> [String: JSONValue] {
        let settings = (try? JSONValue(encoding: self))?.flattened() ?? [:]
        var result: [String: JSONValue] = [
            "freeze_bn": .bool(backbone.freezeBatchNorm), "class_balanced": .bool(classBalanced),
            "data_augmentation": .bool(augmentation != .none), "backbone": .string(backbone.name),
        ]
        for range in search.ranges {
            let value = range.place == .run ? settings[range.setting] : algorithm.hyperparameters[range.setting]
            if let value { result[range.key] = value }
        }
        let searched = Set(search.ranges.filter { $0.place == .algorithm }.map(\.setting))
        for (name, value) in algorithm.hyperparameters.object ?? [:] where !searched.contains(name) {
            result[name] = value
        }
        return result
    }
}
