import Foundations

/// DomainBed's default and random hyperparameters of an algorithm on a data set.
public struct HyperparameterSearch: Sendable {
    /// Whose hyperparameters are drawn.
    public let algorithm: AlgorithmDescription
    private let dataset: String
    /// The algorithm's defaults by their names with dots.
    private let defaults: [String: JSONValue]
    /// The ranges: those of the run, and the algorithm's own, which take the place of a range with the same key.
    public let ranges: [SearchRange]

    /// The search of an algorithm on a data set, by DomainBed's name of it where it has ranges of its own.
    public init(_ algorithm: AlgorithmDescription, dataset: String) {
        self.algorithm = algorithm
        self.dataset = dataset
        defaults = algorithm.defaults.flattened()
        let search = algorithm.search
        let own = Set(search.map(\.key))
        ranges = [SearchRange].ofRun.filter { !own.contains($0.key) } + search
    }

    /// The values by DomainBed's names.
    /// - Parameters:
    ///   - draw: DomainBed's `hparams_seed`: 0 for the defaults, else the number of a random draw.
    ///   - trial: DomainBed's `trial_seed`.
    public func values(draw: Int, trial: Int) -> [String: JSONValue] {
        Dictionary(ranges.map { ($0.key, value(of: $0, draw: draw, trial: trial)) }) { $1 }
    }

    /// The values by place and setting, with dots in groups: what a run's configuration takes.
    public func settings(draw: Int, trial: Int) -> (run: [String: JSONValue], algorithm: [String: JSONValue]) {
        var result: (run: [String: JSONValue], algorithm: [String: JSONValue]) = ([:], [:])
        for range in ranges {
            let value = value(of: range, draw: draw, trial: trial)
            switch range.place {
            case .run: result.run[range.setting] = value
            case .algorithm: result.algorithm[range.setting] = value
            }
        }
        return result
    }

    private func value(of range: SearchRange, draw: Int, trial: Int) -> JSONValue {
        guard draw != 0 else {
            return range.standard(dataset: dataset) ?? defaults[range.setting] ?? .null
        }
        let seed = seedHash(.int(seedHash(.int(draw), .int(trial))), .string(range.key))
        return range.draw(dataset: dataset).value(seed: UInt32(seed))
    }
}
