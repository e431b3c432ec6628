/// How the model that counts is chosen, among the checkpoints of a run and among draws of hyperparameters.
///
/// The rules for equals are DomainBed's: the first of a run's checkpoints, the last of the draws.
public enum ModelSelection: String, Sendable, CaseIterable {
    /// The best mean validation accuracy of the source environments.
    case trainingDomain = "training-domain validation"
    /// The best mean accuracy on a source environment by runs that held that one out, too.
    case leaveOneDomainOut = "leave-one-domain-out validation"
    /// The last checkpoint, chosen on the held-out environment itself: not a fair figure, reported beside the others.
    case oracle = "test-domain validation (oracle)"

    /// The name in DomainBed's tables.
    public var domainBedName: String {
        switch self {
        case .trainingDomain: "training-domain validation set"
        case .leaveOneDomainOut: "leave-one-domain-out cross-validation"
        case .oracle: "test-domain validation set (oracle)"
        }
    }

    /// The checkpoint that is chosen in a run that is looked at alone; nil where other runs are needed.
    public func choose(_ rows: [CheckpointRow], sources: [Int]) -> CheckpointRow? {
        switch self {
        case .oracle: rows.last
        case .leaveOneDomainOut: nil
        case .trainingDomain:
            // Where nothing was kept for validation there is nothing to choose by: the last one.
            firstMaximum(rows.filter { $0.mean(sources, CheckpointRow.validationAccuracy) != nil }) {
                $0.mean(sources, CheckpointRow.validationAccuracy) ?? -.infinity
            } ?? rows.last
        }
    }

    /// The accuracy on a held-out environment by the model that is chosen among all draws of a trial.
    /// - Parameter records: those of all runs of the trial in which `environment` is held out.
    /// - Returns: DomainBed's figure, the accuracy on the environment's *in* part; nil when runs are missing.
    /// - Throws: `UserError` for a record that lacks a number.
    public func accuracy(_ records: [ResultRecord], environment: Int) throws -> Double? {
        var best: Outcome?
        for draw in Set(records.map(\.draw)).sorted() {
            let outcome = try outcome(records.filter { $0.draw == draw }, environment: environment)
            guard let outcome else { continue }
            // Python sorts with NaN as the least, and takes the last of equals.
            func rank(_ value: Double) -> Double { value.isNaN ? -.infinity : value }
            if let old = best, rank(outcome.validation) < rank(old.validation) { continue }
            best = outcome
        }
        return best?.test
    }

    private struct Outcome {
        let validation: Double
        let test: Double
    }

    /// The choice among the checkpoints of one draw.
    private func outcome(_ records: [ResultRecord], environment: Int) throws -> Outcome? {
        let alone = records.filter { $0.testEnvironments.count == 1 }
        guard !alone.isEmpty else { return nil }
        switch self {
        case .trainingDomain:
            let outcomes = try alone.map { record in
                // Too small a domain has no validation items.
                let sources = record.environments.filter { source in
                    source != environment && record.row.validationAccuracy(source) != nil
                }
                let values = try sources.map { try record.validation($0) }
                return Outcome(validation: numpyMean(values), test: try record.heldOut(environment))
            }
            guard outcomes.contains(where: { !$0.validation.isNaN }) else { return outcomes.last }
            return firstMaximum(outcomes, by: \.validation)
        case .oracle:
            let steps = alone.map(\.step)
            guard let last = steps.max(), let record = alone.last(where: { $0.step == last }) else { return nil }
            return Outcome(
                validation: try record.validation(environment), test: try record.heldOut(environment))
        case .leaveOneDomainOut:
            let outcomes = try Set(records.map(\.step)).sorted().compactMap { step in
                try leftOut(records.filter { $0.step == step }, environment: environment)
            }
            return firstMaximum(outcomes, by: \.validation)
        }
    }

    /// The cross-validated accuracy at one step, if the runs of all pairs have it.
    private func leftOut(_ records: [ResultRecord], environment: Int) throws -> Outcome? {
        let alone = records.filter { $0.testEnvironments.count == 1 }
        guard alone.count == 1 else { return nil }
        var values = [Double](repeating: -1, count: records[0].environments.count)
        for record in records where record.testEnvironments.count == 2 {
            guard let other = record.testEnvironments.first(where: { $0 != environment }), other < values.count else {
                continue
            }
            values[other] = try record.heldOut(other)
        }
        if environment < values.count { values.remove(at: environment) }
        guard !values.contains(-1) else { return nil }
        return Outcome(
            validation: numpySum(values) / Double(values.count), test: try alone[0].heldOut(environment))
    }
}

/// The first of the elements with the greatest value; one that is not a number stays where it is first, as in Python.
private func firstMaximum<Element>(_ elements: [Element], by value: (Element) -> Double) -> Element? {
    guard var best = elements.first else { return nil }
    for element in elements.dropFirst() where value(element) > value(best) { best = element }
    return best
}
