import DomainGeneralization
import Foundations

/// The images of a folder that ``OfflineGeneration`` filled, for the runs that train on them.
public struct GeneratedImages: Sendable {
    static let manifest = "manifest.jsonl"

    /// The folder that was generated into.
    public let folder: String
    /// The lines of its manifest, one an image, in the order of the plan.
    public let images: [GeneratedImage]

    /// Reads a folder's manifest.
    /// - Throws: `UserError` for a folder without one, or with one that is damaged.
    public init(_ folder: String) throws {
        self.folder = folder
        let path = "\(folder)/\(Self.manifest)"
        guard let data = Files.contents(path) else {
            let isBegun = Files.exists("\(folder)/generation.json")
            throw UserError(
                isBegun
                    ? "\(folder): not all images are generated yet; run 'domainfusion generate' to its end"
                    : "\(folder): no generated images here (\(Self.manifest)); make them with 'domainfusion generate'")
        }
        images = try data.split(separator: 10).enumerated().map { number, line in
            guard let image = try? JSONValue(json: line)?.decoded(as: GeneratedImage.self) else {
                throw UserError("\(path): line \(number + 1) is damaged; run 'domainfusion generate' again")
            }
            return image
        }
    }

    /// The images that a run may train on, with the item of the source image: those made of its training items in the style of a
    /// source domain. With those in a held-out domain's style (the paper's CDGA*), what is held out is told of, and figures are
    /// reported apart.
    /// - Parameters:
    ///   - training: items that the run trains on, of all environments.
    ///   - held: domains that are held out.
    ///   - includesHeldStyles: takes images in the held-out domains' styles, too.
    /// - Throws: `UserError` where nothing is left.
    public func images(
        of dataset: ImageFolder, training: [Int], held: [String], includesHeldStyles: Bool
    ) throws -> [(image: GeneratedImage, item: Int)] {
        let items = Dictionary(
            training.map { (dataset.relativePath(of: dataset.items[$0]), $0) }, uniquingKeysWith: { first, _ in first })
        let taken = images.compactMap { image -> (GeneratedImage, Int)? in
            guard let item = items[image.source], includesHeldStyles || !held.contains(image.target) else { return nil }
            return (image, item)
        }
        guard !taken.isEmpty else {
            throw UserError(
                "\(folder): no image was made of this run's training images; generate from the same data set")
        }
        return taken
    }
}
