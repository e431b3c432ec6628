import DomainGeneralization

/// `summary.json`: the result of a run.
public struct RunSummary: Codable, Sendable, Equatable {
    /// Accuracies of one checkpoint, fractions of 1; a part without items is left out.
    public struct Result: Codable, Sendable, Equatable {
        public let step: Int
        /// Mean validation accuracy of the source domains.
        public let sourceValidation: Double?
        /// Mean accuracy of the source domains' unseen items.
        public let sourceUnseenItems: Double?
        /// By held-out domain.
        public let targets: [String: Target]
    }

    /// A held-out domain.
    public struct Target: Codable, Sendable, Equatable {
        /// On all its items but the unseen ones; with an oracle, on those of them that were kept from training.
        public let accuracy: Double?
        /// DomainBed's figure: on the part of those that its split calls training items.
        public let domainBedAccuracy: Double?
        public let meanClassAccuracy: Double?
        /// On its unseen items.
        public let unseenItems: Double?
    }

    public let algorithm: String
    public let data: String
    public let testDomains: [String]
    public let oracle: Bool
    public let seed: Int
    public let steps: Int
    /// The checkpoint that training-domain validation chooses.
    public let selected: Result
    /// The last checkpoint.
    public let last: Result
    /// The averaged model at the run's end, where the configuration asks for one.
    public let averaged: Result?
    /// Sums over the run: seconds by kind of work (`…_seconds`), and what the algorithm counts, such as images generated.
    public let totals: [String: Double]

    init(_ rows: [CheckpointRow], configuration: RunConfiguration, context: AlgorithmContext, totals: [String: Double])
    {
        algorithm = configuration.algorithm.name
        data = configuration.data
        testDomains = context.testEnvironments.map { context.dataset.environments[$0] }
        oracle = configuration.oracle
        seed = configuration.seed
        steps = configuration.steps
        self.totals = totals
        let sources = context.dataset.environments.indices.filter { !context.testEnvironments.contains($0) }
        func result(_ row: CheckpointRow) -> Result {
            let targets = context.testEnvironments.map { environment in
                (context.dataset.environments[environment], Target(row, environment: environment, context: context))
            }
            return Result(
                step: row.step, sourceValidation: row.mean(sources, CheckpointRow.validationAccuracy),
                sourceUnseenItems: row.mean(sources, CheckpointRow.unseenAccuracy),
                targets: Dictionary(uniqueKeysWithValues: targets))
        }
        func chosen(_ selection: ModelSelection) -> CheckpointRow {
            selection.choose(rows, sources: sources) ?? CheckpointRow([:])
        }
        selected = result(chosen(.trainingDomain))
        last = result(chosen(.oracle))
        averaged = rows.last?.average.map(result)
    }
}

extension RunSummary.Target {
    init(_ row: CheckpointRow, environment: Int, context: AlgorithmContext) {
        let isTrained = context.sourceEnvironments.contains(environment)
        let parts = isTrained ? ["out"] : ["in", "out"]
        let sizes = [
            "in": context.split.training[environment].count, "out": context.split.validation[environment].count,
        ]
        func weighted(_ suffix: String) -> Double? {
            var sum = 0.0
            var count = 0
            for part in parts {
                guard let size = sizes[part], size > 0, let value = row["env\(environment)_\(part)_\(suffix)"] else {
                    continue
                }
                sum += value * Double(size)
                count += size
            }
            return count > 0 ? sum / Double(count) : nil
        }
        self.init(
            accuracy: weighted("acc"), domainBedAccuracy: row.trainingAccuracy(environment),
            meanClassAccuracy: weighted("class_acc"), unseenItems: row.unseenAccuracy(environment))
    }
}
