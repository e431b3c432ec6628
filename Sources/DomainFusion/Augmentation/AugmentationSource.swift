import DomainGeneralization
import Foundation
import Foundations
import Pixels

/// A source image that may be augmented.
public struct AugmentationSource: Sendable {
    /// Its path in the data set, `<domain>/<class>/<file>`: what it is known by.
    public let name: String
    /// The image's class, an index into the data set's classes.
    public let label: Int
    /// The class's name, for the prompt.
    public let className: String
    /// The image's domain, an index into the data set's domains.
    public let environment: Int
    /// Decodes the image file.
    public let image: @Sendable () throws -> RGBImage

    /// An image that may be augmented; `image` decodes it when it is needed.
    public init(
        name: String, label: Int, className: String, environment: Int, image: @escaping @Sendable () throws -> RGBImage
    ) {
        self.name = name
        self.label = label
        self.className = className
        self.environment = environment
        self.image = image
    }

    /// The training images of a run's source environments.
    public static func all(of context: AlgorithmContext) -> [AugmentationSource] {
        let images = context.images
        return all(of: context.dataset, items: context.trainingItems) { try images.image($0) }
    }

    /// Items of a data set.
    /// - Parameter image: decodes one.
    public static func all(
        of dataset: ImageFolder, items: [Int],
        image: @escaping @Sendable (ImageFolder.Item) throws -> RGBImage = { try ImageFile.decode($0.path) }
    ) -> [AugmentationSource] {
        items.map { index in
            let item = dataset.items[index]
            return AugmentationSource(
                name: dataset.relativePath(of: item), label: item.label,
                className: dataset.classes[item.label], environment: item.environment
            ) { try image(item) }
        }
    }
}

extension [AugmentationSource] {
    /// `budget` sources, every domain and class with its share of them, to within one image; 0 takes all.
    ///
    /// Which images of a domain and class are taken is a function of the seed, the draw and their names: data sets that
    /// share images share most of the drawn ones.
    /// - Parameters:
    ///   - seed: seeds the draw.
    ///   - draw: the number of the draw.
    /// - Returns: indices, ascending.
    public func drawn(budget: Int, seed: Int, draw: Int) -> [Int] {
        guard budget > 0, budget < count else { return Array<Int>(indices) }
        let ranks = map { SHA256Sum.of("\(seed)/\(draw)/\($0.name)") }
        let order = indices.sorted { a, b in
            (self[a].environment, self[a].label, ranks[a]) < (self[b].environment, self[b].label, ranks[b])
        }
        // Evenly spaced places in the order say how many each domain and class gives; then its first ones are taken.
        func group(_ index: Int) -> [Int] { [self[index].environment, self[index].label] }
        let groups = Dictionary(grouping: order, by: group)
        var generator = SeededGenerator(seed: UInt64(bitPattern: Int64(seed)), domain: 0, step: draw)
        let offset = generator.uniform()
        var used: [[Int]: Int] = [:]
        var taken: [Int] = []
        for number in 0..<budget {
            let place = Int((Double(number) + offset) * Double(count) / Double(budget))
            let group = group(order[Swift.min(place, count - 1)])
            taken.append(groups[group, default: []][used[group, default: 0]])
            used[group, default: 0] += 1
        }
        return taken.sorted()
    }
}
