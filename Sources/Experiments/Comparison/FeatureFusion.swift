import Backbones
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// What classifiers of frozen features add to finished runs at prediction (late fusion), without any training: accuracy at several
/// weights λ of log p + λ·log p_u, for the features and for their controls.
public struct FeatureFusion: Codable, Sendable, Equatable {
    /// One run with one kind of features.
    public struct Row: Codable, Sendable, Equatable {
        /// The run's folder.
        public let run: String
        /// What tables call the run.
        public let method: String
        /// The held-out domains.
        public let domains: [String]
        /// The run's seed.
        public let seed: Int
        /// What the features are: the control's name, or the block's.
        public let features: String
        /// Accuracy at each weight on the held-out domains' images but the unseen items, 0…1.
        public let target: [Double]
        /// The same on the source domains' validation images.
        public let validation: [Double]
        /// Accuracy of the features' classifier alone, on the held-out domains and on validation.
        public let alone: [Double]
    }

    /// The weights λ; the first is 0, the run itself.
    public let weights: [Double]
    /// The penalty of the features' classifiers, which the rows' features have.
    public let penalty: Double
    /// Runs and kinds of features, one after the other.
    public private(set) var rows: [Row]

    /// A study without a row, of given weights and penalty.
    /// - Parameter weights: above 0.
    public init(weights: [Double], penalty: Double) {
        self.weights = [0] + weights
        self.penalty = penalty
        rows = []
    }

    /// Whether a run with these features is among the rows.
    public func has(_ run: String, _ features: String) -> Bool {
        rows.contains { $0.run == run && $0.features == features }
    }

    /// Adds the rows of a run.
    /// - Parameters:
    ///   - sources: features by what rows call them.
    ///   - tables: features that were worked out for runs before; keeps what is worked out for this one.
    /// - Throws: a one-line error for a run that cannot be read, has features already, or holds nothing out.
    public mutating func add(
        _ path: String, _ sources: [(name: String, features: any FrozenFeatures)], tables: inout FusionTables,
        threads: Int
    ) throws {
        let model = try TrainedModel(run: path, threads: threads)
        guard model.frozenFeatures == nil else {
            throw UserError("\(path): has frozen features already; name a run without")
        }
        let configuration = model.configuration
        let (folder, held) = try configuration.openedData()
        guard !held.isEmpty, !configuration.oracle else {
            throw UserError("\(path): holds no domain out, so that there is nothing to predict; name another run")
        }
        let data = try tables.data(configuration, folder, threads: threads)
        let split = configuration.split(of: data.dataset, held: held)
        let environments = data.dataset.environments.indices.filter { !held.contains($0) }
        let target = held.flatMap { split.training[$0] + split.validation[$0] + split.adaptation[$0] }.sorted()
        let validation = environments.flatMap { split.validation[$0] }.sorted()
        let training = environments.flatMap { split.training[$0] }.sorted()
        let parts = try [target, validation].map { items in
            (
                items: items, logits: try Self.logits(model, data, items),
                labels: items.map { data.dataset.items[$0].label }
            )
        }
        for (name, features) in sources where !has(path, name) {
            let table = try tables.table(name, features, data, device: model.device)
            let found = parts.map { items, logits, labels in
                let opinion = table.opinion(of: items, in: data.dataset, fittedOn: training)
                func accuracy(_ scores: Tensor) -> Double {
                    let hits = zip(scores.argmax(1).scalars(Int.self), labels).count { $0 == $1 }
                    return items.isEmpty ? .nan : Double(hits) / Double(items.count)
                }
                return (at: weights.map { accuracy(logits + $0 * opinion) }, alone: accuracy(opinion))
            }
            rows.append(
                Row(
                    run: path, method: configuration.methodName(configuration.algorithm.name),
                    domains: held.map { data.dataset.environments[$0] }, seed: configuration.seed, features: name,
                    target: found[0].at, validation: found[1].at, alone: found.map(\.alone)))
        }
    }

    /// log p of items, [n, classes].
    private static func logits(_ model: TrainedModel, _ data: ReadableImages, _ items: [Int]) throws -> Tensor {
        let parts = try stride(from: 0, to: items.count, by: 64).map { start in
            try Interruption.poll()
            let images = try items[start..<min(start + 64, items.count)].map {
                try data.images.image(data.dataset.items[$0])
            }
            let rows = try model.probabilities(images)
            return Tensor(rows.flatMap { $0 }, shape: [images.count, model.classes.count]).clamp(min: 1e-12).log()
        }
        return parts.isEmpty ? .zeros([0, model.classes.count], dtype: .float64) : .concatenated(parts)
    }
}

/// What ``FeatureFusion`` keeps from run to run: data sets, and the features of their images.
public struct FusionTables {
    private var read: (key: String, data: ReadableImages)?
    private var tables: [String: FrozenFeatureTable] = [:]

    /// Keeps no data set and no features so far.
    public init() {}

    mutating func data(
        _ configuration: RunConfiguration, _ folder: ImageFolder, threads: Int
    ) throws -> ReadableImages {
        let key = "\(folder.root) \(configuration.skipCorrupt)"
        if let read, read.key == key { return read.data }
        let data = try ReadableImages(
            folder, skipCorrupt: configuration.skipCorrupt, threads: threads, remedy: "restore it", warn: { _ in })
        (read, tables) = ((key, data), [:])
        return data
    }

    mutating func table(
        _ name: String, _ features: any FrozenFeatures, _ data: ReadableImages, device: Device
    ) throws -> FrozenFeatureTable {
        if let table = tables[name] { return table }
        let table = try FrozenFeatureTable(
            features, dataset: data.dataset, images: data.images, device: device
        ) { _, _ in try Interruption.poll() }
        tables[name] = table
        return table
    }
}

extension FeatureFusion {
    /// A table: for each method and domain the run's accuracy, and for each kind of features the gain at every weight with half of its
    /// 95 % interval over runs.
    public func text() -> String {
        let heads =
            ["method", "unseen", "features", "runs", "alone", "run"]
            + weights.dropFirst().map { "λ \(Self.number($0))" }
            + ["validation"]
        let groups = Dictionary(grouping: rows) { [$0.method, $0.domains.joined(separator: " "), $0.features] }
        let order = groups.keys.sorted { a, b in a.lexicographicallyPrecedes(b) }
        let lines = order.compactMap { key -> [String]? in
            guard let group = groups[key] else { return nil }
            func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
            let gains = weights.indices.dropFirst().map { place in group.map { 100 * ($0.target[place] - $0.target[0]) }
            }
            let validation = weights.indices.map { place in
                String(format: "%.1f", 100 * mean(group.map { $0.validation[place] }))
            }
            return key
                + [
                    "\(group.count)", String(format: "%.1f", 100 * mean(group.map { $0.alone[0] })),
                    String(format: "%.1f", 100 * mean(group.map { $0.target[0] })),
                ] + gains.map(Self.gain) + [validation.joined(separator: " ")]
        }
        let legend =
            "In percent. alone: the features' classifier on the unseen domain. run: the run without features. λ: what is gained with "
            + "them, ± half the\n95 % interval over runs. validation: accuracy on the source domains at λ = 0 and at each λ."
        return (alignedColumns([heads] + lines) + ["", legend]).joined(separator: "\n") + "\n"
    }

    private static func number(_ value: Double) -> String { String(format: "%g", value) }

    private static func gain(_ values: [Double]) -> String {
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        guard values.count > 1 else { return String(format: "%+.1f", mean) }
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
        let half = StudentT.quantile95(freedom: count - 1) * (variance / count).squareRoot()
        return String(format: "%+.1f ± %.1f", mean, half)
    }
}
