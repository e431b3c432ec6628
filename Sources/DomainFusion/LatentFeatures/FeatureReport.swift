import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// Which of a diffusion model's features carry what is the same in all domains: how well a linear probe on them classifies a
/// domain that it was not fitted on, each of the source domains left out in turn.
///
/// What is best *inside* the sources is not what is best outside: the block to take is chosen by this, never by validation on the
/// sources, and never on the domain that a run holds out.
public struct FeatureReport: Codable, Sendable, Equatable {
    /// One block at one time step.
    public struct Row: Codable, Sendable, Equatable {
        /// The U-Net's block.
        public let block: String
        /// The time step that the images were noised to.
        public let time: Int
        /// Numbers an image.
        public let width: Int
        /// Accuracy on a fifth of the images of the domains that were fitted, mean over the domains left out.
        public let inside: Double
        /// Accuracy on the domain left out, in the order of ``FeatureReport/domains``.
        public let outside: [Double]

        /// The mean of ``outside``.
        public var meanOutside: Double { outside.reduce(0, +) / Double(max(1, outside.count)) }
    }

    /// The domains that were left out in turn.
    public let domains: [String]
    /// How many images there are.
    public let images: Int
    /// The blocks in the order of the network, each with its times.
    public let rows: [Row]

    /// The row of the best mean outside.
    public var best: Row? { rows.max { $0.meanOutside < $1.meanOutside } }

    /// Works the report out.
    /// - Parameters:
    ///   - features: of a block at a time, an index into `times`: [images, width].
    ///   - labels: of the images.
    ///   - environments: of the images, indices into `domains`.
    ///   - poll: called before each row; what it throws ends the work.
    init(
        domains: [String], labels: [Int], environments: [Int], classes: Int, blocks: [String], times: [Int],
        features: (_ block: String, _ place: Int) throws -> Tensor, poll: () throws -> Void
    ) throws {
        self.domains = domains
        images = labels.count
        var rows: [Row] = []
        // A fifth of the images is kept from the fit, the same ones for all rows.
        let kept = labels.indices.filter { $0 % 5 == 4 }
        let fitted = labels.indices.filter { $0 % 5 != 4 }
        for block in blocks {
            for (place, time) in times.enumerated() {
                try poll()
                let table = try features(block, place)
                func part(_ items: [Int]) -> (features: Tensor, labels: [Int]) {
                    (table.indexSelect(0, Tensor(items)), items.map { labels[$0] })
                }
                var (inside, outside) = ([Double](), [Double]())
                for left in domains.indices {
                    let fit = part(fitted.filter { environments[$0] != left })
                    let check = part(kept.filter { environments[$0] != left })
                    let probes = Self.penalties.map {
                        RidgeProbe(fit.features, labels: fit.labels, classes: classes, penalty: $0)
                    }
                    // The penalty is chosen inside.
                    let scores = probes.map { $0.accuracy(check.features, labels: check.labels) }
                    let best = scores.indices.max { scores[$0] < scores[$1] } ?? 0
                    let other = part(labels.indices.filter { environments[$0] == left })
                    inside.append(scores[best])
                    outside.append(probes[best].accuracy(other.features, labels: other.labels))
                }
                rows.append(
                    Row(
                        block: block, time: time, width: table.size(1),
                        inside: inside.reduce(0, +) / Double(inside.count), outside: outside))
            }
        }
        self.rows = rows
    }

    private static let penalties = [10.0, 100, 1000, 10_000]

    /// Accuracy on the domains left out against the time step, a line for each block.
    public func chart(title: String) -> LineChart {
        var series: [LineChart.Series] = []
        for row in rows {
            let point = (x: Double(row.time), y: 100 * row.meanOutside)
            if let last = series.indices.last, series[last].name == row.block {
                series[last].points.append(point)
            } else {
                series.append(LineChart.Series(row.block, points: [point]))
            }
        }
        return LineChart(
            title: title, xLabel: "time step", yLabel: "accuracy on a source domain left out, %", series: series)
    }
}

extension FeatureReport {
    /// The report of images by a model; what the store does not have of all blocks is worked out by one pass an image.
    /// - Parameters:
    ///   - items: of the data set, of at least two domains.
    ///   - poll: called with the images done, of all, and before each row; what it throws ends the work.
    /// - Throws: `UserError` for fewer than two domains or a time that the model does not have.
    public init(
        _ model: LatentDiffusionModel, dataset: ImageFolder, items: [Int], times: [Int], seed: Int = 0,
        store: ContentStore, ledger: inout Ledger, poll: (_ done: Int, _ all: Int) throws -> Void = { _, _ in }
    ) throws {
        let environments = Set(items.map { dataset.items[$0].environment }).sorted()
        guard environments.count > 1 else {
            throw UserError("a domain is left out in turn: give images of at least two domains")
        }
        let blocks = model.unet.blocks
        let fingerprint = try model.fingerprint()
        let unet = try UNetFeatures(
            model, fingerprint: fingerprint, block: .mid, times: times, seed: seed, isRandom: false)
        for (done, item) in items.shuffled().enumerated() {
            try poll(done, items.count)
            try unet.prepare(blocks, of: ImageFile.decode(dataset.items[item].path), store: store, ledger: &ledger)
        }
        var (table, of) = (Tensor.zeros([0, 0]), "")
        let total = items.count
        try self.init(
            domains: environments.map { dataset.environments[$0] }, labels: items.map { dataset.items[$0].label },
            environments: items.compactMap { environments.firstIndex(of: dataset.items[$0].environment) },
            classes: dataset.classes.count, blocks: blocks.map(\.description), times: times,
            features: { block, place in
                if of != block {
                    var settings = LatentFeatureSettings()
                    (settings.block, settings.times, settings.seed) = (block, times, seed)
                    let source = try LatentFeatures(settings, model: model, store: store)
                    table = try source.features(of: items.map { try ImageFile.decode(dataset.items[$0].path) })
                    of = block
                }
                let width = table.size(1) / times.count
                return table.narrowed(1, start: place * width, length: width)
            }, poll: { try poll(total, total) })
    }
}
