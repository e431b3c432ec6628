import Backbones
import DomainGeneralization
import Foundations
import Pixels
import Torch

/// How a run's classifier sees the domains and classes: its features of images, laid into a plane by ``TSNE``.
struct FeatureMap {
    /// An image's place.
    struct Point {
        let x: Double, y: Double
        let domain: String
        let className: String
    }

    /// The method's name and the held-out domains.
    let method: String, held: [String]
    /// The images' places.
    let points: [Point]

    /// Images that are shown, as many of each domain and class as there are of all.
    private static let images = 480
    /// Images in one pass of the network.
    private static let batch = 32

    /// The map of a finished run.
    /// - Throws: a one-line error for a run whose checkpoint or data set cannot be read.
    init(run folder: String, threads: Int) throws {
        let model = try TrainedModel(run: folder, device: "cpu", threads: threads)
        let dataset = try model.configuration.dataset()
        method = model.configuration.methodName(model.configuration.algorithm.name)
        held = model.configuration.testDomains
        let groups = Dictionary(grouping: dataset.items) { [$0.environment, $0.label] }
        let each = max(1, Self.images / max(1, groups.count))
        let items = groups.sorted { $0.key.lexicographicallyPrecedes($1.key) }.flatMap { _, items in
            let count = min(each, items.count)
            return (0..<count).map { items[(2 * $0 + 1) * items.count / (2 * count)] }
        }
        guard items.count >= 4 else { throw UserError("\(dataset.root): too few images for a map") }
        let rows = try stride(from: 0, to: items.count, by: Self.batch).map { start in
            let part = items[start..<min(start + Self.batch, items.count)]
            return try model.features(of: part.map { try ImageFile.decode($0.path) })
        }
        points = zip(items, TSNE().places(.concatenated(rows))).map { item, place in
            Point(
                x: place.x, y: place.y, domain: dataset.environments[item.environment],
                className: dataset.classes[item.label])
        }
    }

    /// The map with a colour a domain, the held-out ones as squares.
    var byDomain: Plot {
        .scatter(
            title:
                "Features of \(method), a colour for each domain; \(held.joined(separator: ", ")) was never trained on",
            points.map { .init(x: $0.x, y: $0.y, group: $0.domain, isMarked: held.contains($0.domain)) })
    }

    /// The map with a colour a class, the held-out domains as squares.
    var byClass: Plot {
        .scatter(
            title: "Features of \(method), a colour for each class; squares are of \(held.joined(separator: ", "))",
            points.map { .init(x: $0.x, y: $0.y, group: $0.className, isMarked: held.contains($0.domain)) })
    }
}
