import DomainGeneralization
import Foundation
import Foundations

/// The methods of a sweep side by side, each held-out domain by itself, and what each gains over one of them.
///
/// A gain is paired, by image and seed, and has an interval for other images and other trainings: ``PairedGain``.
public struct RunComparison: Codable, Sendable, Equatable {
    /// A mean over seeds, fractions of 1.
    public struct Mean: Codable, Sendable, Equatable {
        /// The mean over seeds, in fractions of 1.
        public let value: Double
        /// Standard error over seeds, as DomainBed's: deviation/√n. 0 for one seed.
        public let error: Double

        init?(_ values: [Double?]) {
            let values = values.compactMap { $0 }
            guard !values.isEmpty else { return nil }
            let count = Double(values.count)
            let mean = values.reduce(0, +) / count
            value = mean
            error = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot() / count.squareRoot()
        }
    }

    /// A method on a held-out domain, its models chosen by validation on the training domains.
    public struct Row: Codable, Sendable, Equatable {
        /// The method, or the variant's name.
        public let method: String
        /// The seeds of its runs.
        public let seeds: [Int]
        /// Accuracy on the source domains' validation images.
        public let sourceValidation: Mean?
        /// On all images of the held-out domain but its unseen items; of an oracle, those that it was not trained on.
        public let unseenDomain: Mean?
        /// Mean over classes of the share classified rightly, on the held-out domain.
        public let meanClassAccuracy: Mean?
        /// Accuracy on the held-out domain's unseen items.
        public let unseenItems: Mean?
        /// Against ``RunComparison/baseline``; nil for itself and for an oracle.
        public let gain: PairedGain?
        /// Against ``RunComparison/baseline`` on the unseen items; nil for itself and for an oracle.
        public let gainOnUnseenItems: PairedGain?
    }

    /// A held-out domain, or several together.
    public struct Target: Codable, Sendable, Equatable {
        /// The held-out domains' names.
        public let domains: String
        /// The methods, the baseline first.
        public let rows: [Row]
    }

    /// The method that gains are measured against.
    public let baseline: String
    /// Each held-out domain by itself.
    public let targets: [Target]
    /// The mean over the held-out domains, where there are several; without the methods that lack a run on one of them.
    public let average: Target?

    /// Compares finished runs.
    /// - Parameters:
    ///   - folders: those of runs, or of sweeps.
    ///   - baseline: the method that gains are measured against.
    ///   - warn: told of runs that differ in nothing that the tables show.
    /// - Throws: `UserError` for a folder without finished runs, or without one of the baseline.
    public init(folders: [String], baseline: String, warn: (String) -> Void = { _ in }) throws {
        let all = try FinishedRun.all(in: folders)
        let twins = Dictionary(grouping: all, by: \.identity).values.filter { $0.count > 1 }
        for twins in twins.sorted(by: { $0[0].path < $1[0].path }) {
            warn(
                "\(twins[0].path) and \(twins[1].path): the same method, domains, seed and draw with other settings; the better "
                    + "one on validation is taken, so keep each sweep in a folder of its own")
        }
        let runs = Self.chosen(all)
        let names = Set(runs.map(\.method)).sorted()
        guard names.contains(baseline) else {
            throw UserError(
                "\(folders.joined(separator: ", ")): no finished run of \(baseline); there are \(names.joined(separator: ", "))"
            )
        }
        let methods = [baseline] + names.filter { $0 != baseline }
        self.baseline = baseline
        let severalDatasets = Set(runs.map(\.dataset)).count > 1
        let byTarget = Dictionary(grouping: runs, by: \.target)
        func title(_ target: [String]) -> String {
            (severalDatasets ? target[0] + ": " : "") + target.dropFirst().joined(separator: ", ")
        }
        let keys = byTarget.keys.sorted { $0.lexicographicallyPrecedes($1) }
        let targets = keys.map { target in
            let byMethod = Dictionary(grouping: byTarget[target] ?? [], by: \.method)
            return Target(
                domains: title(target),
                rows: methods.compactMap { method in
                    byMethod[method].map {
                        Row(method, $0, against: byMethod[baseline] ?? [], isBaseline: method == baseline)
                    }
                })
        }
        self.targets = targets
        // As DomainBed's averages, of domains that are held out alone.
        let single = zip(keys, targets).filter { $0.0.count == 2 }.map(\.1)
        let means = methods.compactMap { method in
            Row(
                meanOf: single.map { $0.rows.first { $0.method == method } },
                runs: runs.filter { $0.method == method && $0.target.count == 2 })
        }
        average = single.count > 1 && !means.isEmpty ? Target(domains: "mean of \(single.count)", rows: means) : nil
    }

    /// Of the draws of hyperparameters of each method, target and seed the one that validation on the source domains chooses.
    private static func chosen(_ runs: [FinishedRun]) -> [FinishedRun] {
        Dictionary(grouping: runs) { [$0.method, "\($0.summary.seed)"] + $0.target }.values.compactMap { runs in
            runs.max { ($0.summary.selected.sourceValidation ?? 0) < ($1.summary.selected.sourceValidation ?? 0) }
        }.sorted { $0.path < $1.path }
    }
}

extension FinishedRun {
    /// What an accuracy is of: the data set, and the held-out domains.
    fileprivate var target: [String] { [dataset] + summary.testDomains }

    /// Two runs of a sweep differ in it.
    fileprivate var identity: [String] { [method, "\(summary.seed)", "\(draw)"] + target }
}

extension RunComparison.Row {
    init(_ method: String, _ runs: [FinishedRun], against baseline: [FinishedRun], isBaseline: Bool) {
        let runs = runs.sorted { $0.summary.seed < $1.summary.seed }
        self.method = method
        seeds = runs.map(\.summary.seed)
        sourceValidation = Self.mean(runs, \.sourceValidation)
        unseenDomain = Self.mean(runs) { $0.mean(\.accuracy) }
        meanClassAccuracy = Self.mean(runs) { $0.mean(\.meanClassAccuracy) }
        unseenItems = Self.mean(runs) { $0.mean(\.unseenItems) }
        func gain(_ isCounted: (FinishedRun, String) -> Bool) -> PairedGain? {
            PairedGain(
                runs.compactMap { run in
                    guard let other = baseline.first(where: { $0.summary.seed == run.summary.seed }) else { return nil }
                    return (run.isRight.filter { isCounted(run, $0.key) }, other.isRight)
                })
        }
        self.gain = isBaseline ? nil : gain { !$0.unseenImages.contains($1) }
        gainOnUnseenItems = isBaseline ? nil : gain { $0.unseenImages.contains($1) }
    }

    /// The mean over held-out domains.
    /// - Parameters:
    ///   - rows: the method's row of each domain.
    ///   - runs: the method's runs of all of them.
    /// - Returns: nil where a domain or a seed of a domain is missing.
    init?(meanOf rows: [RunComparison.Row?], runs: [FinishedRun]) {
        let found = rows.compactMap { $0 }
        guard let first = found.first, found.count == rows.count, found.allSatisfy({ $0.seeds == first.seeds }) else {
            return nil
        }
        method = first.method
        seeds = first.seeds
        sourceValidation = Self.mean(runs, \.sourceValidation)
        unseenDomain = Self.mean(runs) { $0.mean(\.accuracy) }
        meanClassAccuracy = Self.mean(runs) { $0.mean(\.meanClassAccuracy) }
        unseenItems = Self.mean(runs) { $0.mean(\.unseenItems) }
        gain = PairedGain(meanOf: found.map(\.gain))
        gainOnUnseenItems = PairedGain(meanOf: found.map(\.gainOnUnseenItems))
    }

    /// The mean over seeds of what a seed's runs have in the mean.
    private static func mean(
        _ runs: [FinishedRun], _ value: (RunSummary.Result) -> Double?
    ) -> RunComparison.Mean? {
        let bySeed = Dictionary(grouping: runs, by: \.summary.seed).sorted { $0.key < $1.key }
        return RunComparison.Mean(bySeed.map { $0.value.compactMap { value($0.summary.selected) }.mean })
    }
}

extension RunSummary.Result {
    /// A value's mean over the held-out domains, summed in the order of their names.
    fileprivate func mean(_ value: (RunSummary.Target) -> Double?) -> Double? {
        targets.sorted { $0.key < $1.key }.compactMap { value($0.value) }.mean
    }
}

extension [Double] {
    fileprivate var mean: Double? { isEmpty ? nil : reduce(0, +) / Double(count) }
}
