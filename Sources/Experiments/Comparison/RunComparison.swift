import DomainGeneralization
import Foundation

/// The methods of a sweep side by side, each held-out domain by itself, and what each gains over one of them.
///
/// A gain is paired: by image and seed. Its interval comes from the images: dᵢ is the difference in being right on image i,
/// averaged over the seeds that both methods were run with; mean(d) ± 1.96·sd(d)/√n. It says how sure the gain is for other
/// images of the domain; the standard error over seeds beside it, for other seeds.
public struct RunComparison: Codable, Sendable, Equatable {
    /// A mean over seeds, fractions of 1.
    public struct Mean: Codable, Sendable, Equatable {
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

    /// A paired difference to the method that is compared with, in fractions of 1.
    public struct Gain: Codable, Sendable, Equatable {
        public let value: Double
        /// Half the 95 % interval.
        public let margin: Double
        /// Images and seeds that both have.
        public let images: Int
        public let seeds: Int

        /// - Parameter pairs: for each seed, whether the class of each image was found: by the method and by the other.
        init?(_ pairs: [(method: [String: Bool], other: [String: Bool])]) {
            var sums: [String: (difference: Double, count: Double)] = [:]
            for pair in pairs {
                for (image, isRight) in pair.method {
                    guard let otherIsRight = pair.other[image] else { continue }
                    var sum = sums[image] ?? (0, 0)
                    sum.difference += (isRight ? 1 : 0) - (otherIsRight ? 1 : 0)
                    sum.count += 1
                    sums[image] = sum
                }
            }
            // In a fixed order, so that the same runs give the same last digit.
            let differences = sums.sorted { $0.key < $1.key }.map { $0.value.difference / $0.value.count }
            guard differences.count > 1 else { return nil }
            let count = Double(differences.count)
            let mean = differences.reduce(0, +) / count
            let variance = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
            value = mean
            margin = 1.96 * (variance / count).squareRoot()
            images = differences.count
            seeds = pairs.count
        }

        /// The mean of several domains' gains, as those of different images; nil where one has none.
        init?(meanOf gains: [Gain?]) {
            let found = gains.compactMap { $0 }
            guard found.count == gains.count, let seeds = found.map(\.seeds).min() else { return nil }
            let count = Double(found.count)
            value = found.reduce(0) { $0 + $1.value } / count
            margin = found.reduce(0) { $0 + $1.margin * $1.margin }.squareRoot() / count
            images = found.reduce(0) { $0 + $1.images }
            self.seeds = seeds
        }
    }

    /// A method on a held-out domain, its models chosen by validation on the training domains.
    public struct Row: Codable, Sendable, Equatable {
        public let method: String
        public let seeds: [Int]
        public let sourceValidation: Mean?
        /// On all images of the held-out domain but its unseen items; of an oracle, those that it was not trained on.
        public let unseenDomain: Mean?
        public let meanClassAccuracy: Mean?
        public let unseenItems: Mean?
        /// Against ``RunComparison/baseline``; nil for itself and for an oracle.
        public let gain: Gain?
        public let gainOnUnseenItems: Gain?
    }

    /// A held-out domain, or several together.
    public struct Target: Codable, Sendable, Equatable {
        public let domains: String
        public let rows: [Row]
    }

    public let baseline: String
    public let targets: [Target]
    /// The mean over the held-out domains, where there are several; without the methods that lack a run on one of them.
    public let average: Target?

    /// - Parameters:
    ///   - folder: that of a sweep.
    ///   - baseline: the method that gains are measured against.
    ///   - warn: told of runs that differ in nothing that the tables show.
    /// - Throws: ``UserError`` for a folder without finished runs, or without one of the baseline.
    public init(folder: String, baseline: String, warn: (String) -> Void = { _ in }) throws {
        let all = try FinishedRun.all(in: folder)
        let twins = Dictionary(grouping: all, by: \.identity).values.filter { $0.count > 1 }
        for twins in twins.sorted(by: { $0[0].path < $1[0].path }) {
            warn(
                "\(twins[0].path) and \(twins[1].path): the same method, domains, seed and draw with other settings; the better "
                    + "one on validation is taken, so keep each sweep in a folder of its own")
        }
        let runs = Self.chosen(all)
        let names = Set(runs.map(\.method)).sorted()
        guard names.contains(baseline) else {
            throw UserError("\(folder): no finished run of \(baseline); there are \(names.joined(separator: ", "))")
        }
        let methods = [baseline] + names.filter { $0 != baseline }
        self.baseline = baseline
        let severalDatasets = Set(runs.map(\.dataset)).count > 1
        let byTarget = Dictionary(grouping: runs, by: \.target)
        func title(_ target: [String]) -> String {
            (severalDatasets ? target[0] + ": " : "") + target.dropFirst().joined(separator: ", ")
        }
        let targets = byTarget.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { target, runs in
            let byMethod = Dictionary(grouping: runs, by: \.method)
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
        let alone = Set(byTarget.keys.filter { $0.count == 2 }.map(title))
        let single = targets.filter { alone.contains($0.domains) }
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
        func gain(_ isCounted: (FinishedRun, String) -> Bool) -> RunComparison.Gain? {
            RunComparison.Gain(
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
        gain = RunComparison.Gain(meanOf: found.map(\.gain))
        gainOnUnseenItems = RunComparison.Gain(meanOf: found.map(\.gainOnUnseenItems))
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
    /// A value's mean over the held-out domains.
    fileprivate func mean(_ value: (RunSummary.Target) -> Double?) -> Double? { targets.values.compactMap(value).mean }
}

extension [Double] {
    fileprivate var mean: Double? { isEmpty ? nil : reduce(0, +) / Double(count) }
}
