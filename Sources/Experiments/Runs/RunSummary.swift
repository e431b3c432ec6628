import DomainFusion
import DomainGeneralization

/// `summary.json`: the result of a run.
public struct RunSummary: Codable, Sendable, Equatable {
    /// Accuracies of one checkpoint, fractions of 1; a part without items is left out.
    public struct Result: Codable, Sendable, Equatable {
        /// The checkpoint's step.
        public let step: Int
        /// Mean validation accuracy of the source domains.
        public let sourceValidation: Double?
        /// Mean accuracy of the source domains' unseen items.
        public let sourceUnseenItems: Double?
        /// Accuracies by the name of the held-out domain.
        public let targets: [String: Target]
    }

    /// Accuracies on one held-out domain, fractions of 1.
    public struct Target: Codable, Sendable, Equatable {
        /// On all its items but the unseen ones; with an oracle, on those of them that were kept from training.
        public let accuracy: Double?
        /// DomainBed's figure: on the part of those that its split calls training items.
        public let domainBedAccuracy: Double?
        /// The mean over classes of the share classified rightly, of the selected model; nil of the others.
        public let meanClassAccuracy: Double?
        /// Accuracy on the domain's unseen items; nil where it has none.
        public let unseenItems: Double?
    }

    /// The algorithm's name.
    public let algorithm: String
    /// The data set's folder.
    public let data: String
    /// The domains that were held out.
    public let testDomains: [String]
    /// Whether the held-out domains were trained on, too.
    public let oracle: Bool
    /// The run's seed.
    public let seed: Int
    /// Training steps of the run.
    public let steps: Int
    /// The checkpoint that training-domain validation chooses.
    public let selected: Result
    /// The last checkpoint.
    public let last: Result
    /// The averaged model at the run's end, where the configuration asks for one.
    public let averaged: Result?
    /// Sums over the run: seconds by kind of work (`…_seconds`), and what the algorithm counts, such as images generated.
    public let totals: [String: Double]

    /// - Parameter predictions: the selected model's, of the held-out domains among others.
    init(
        _ rows: [CheckpointRow], predictions: [Prediction], configuration: RunConfiguration, domains: RunDomains,
        totals: [String: Double]
    ) {
        algorithm = configuration.algorithm.name
        data = configuration.data
        testDomains = domains.heldNames
        oracle = configuration.oracle
        seed = configuration.seed
        steps = configuration.steps
        self.totals = totals
        let sources = domains.notHeld
        func result(_ row: CheckpointRow, _ predictions: [Prediction] = []) -> Result {
            let targets = domains.held.map { environment in
                (
                    domains.dataset.environments[environment],
                    Target(row, predictions, environment: environment, domains: domains)
                )
            }
            return Result(
                step: row.step, sourceValidation: row.mean(sources, CheckpointRow.validationAccuracy),
                sourceUnseenItems: row.mean(sources, CheckpointRow.unseenAccuracy),
                targets: Dictionary(uniqueKeysWithValues: targets))
        }
        func chosen(_ selection: ModelSelection) -> CheckpointRow {
            selection.choose(rows, sources: sources) ?? CheckpointRow([:])
        }
        selected = result(chosen(.trainingDomain), predictions)
        last = result(chosen(.oracle))
        averaged = rows.last?.average.map { result($0) }
    }
}

extension RunSummary {
    /// The result as scalars that trackers show: accuracies of the selected checkpoint, at its step.
    var scalars: [(name: String, value: Double, step: Int)] {
        var values = ["result/source_validation": selected.sourceValidation]
        for (domain, target) in selected.targets {
            values["result/\(domain)/accuracy"] = target.accuracy
            values["result/\(domain)/unseen_items"] = target.unseenItems
        }
        return values.sorted { $0.key < $1.key }.compactMap { name, value in value.map { (name, $0, selected.step) } }
    }

    /// The seconds of a run by kind of work. The classifier's are what is left of the training steps' after what the algorithm
    /// counts on its own. Empty of a run without training.
    public var secondsByWork: [String: Double] {
        let suffix = "_seconds"
        let named = totals.compactMap { name, value in
            name.hasSuffix(suffix) ? (String(name.dropLast(suffix.count)), value) : nil
        }
        var seconds = Dictionary(uniqueKeysWithValues: named)
        guard let steps = seconds.removeValue(forKey: "training") else { return seconds }
        let outside = ["loading", "evaluation"] + RunLedger.Preparation.allCases.map(\.rawValue)
        let inside = seconds.filter { !outside.contains($0.key) }.sorted { $0.key < $1.key }
        seconds["classifier"] = max(0, steps - inside.reduce(0) { $0 + $1.value })
        return seconds
    }
}

extension RunSummary.Target {
    init(_ row: CheckpointRow, _ predictions: [Prediction], environment: Int, domains: RunDomains) {
        let isTrained = domains.trained.contains(environment)
        var parts: [(ScoreKey.Part, [Int])] = [(.validation, domains.split.validation[environment])]
        if !isTrained { parts.append((.training, domains.split.training[environment])) }
        var sum = 0.0
        var count = 0
        for (part, items) in parts where !items.isEmpty {
            guard let value = row[environment, part, .accuracy] else { continue }
            sum += value * Double(items.count)
            count += items.count
        }
        // Not the mean over the parts: a small one lacks classes.
        let items = Set(parts.flatMap(\.1))
        self.init(
            accuracy: count > 0 ? sum / Double(count) : nil, domainBedAccuracy: row.trainingAccuracy(environment),
            meanClassAccuracy: Score(predictions: predictions.filter { items.contains($0.item) }).meanClassAccuracy,
            unseenItems: row.unseenAccuracy(environment))
    }
}
