import Diffusion
import Foundations
import Pixels

/// All images that are to be generated of a data set before training, in a fixed order.
///
/// Nothing is held out here, unless the plan was made of some domains alone: the images of one folder serve every run, which takes
/// those that it may (``GeneratedImages``).
public protocol GenerationPlan<Order>: Sendable {
    /// What a diffusion model is asked for.
    associatedtype Order: ImageOrder

    /// Number of images.
    var count: Int { get }

    /// The folder of the data set.
    var root: String { get }

    /// What the images depend on beside the model and the pixels.
    var identity: JSONValue { get throws }

    /// What is to be made under a number in 0..<``count``.
    func record(_ number: Int) -> GeneratedImage

    /// What the diffusion model is asked for.
    /// - Parameter image: an image of the data set by its path there, of the generator's size.
    func order(_ record: GeneratedImage, image: (String) throws -> RGBImage) throws -> Order

    /// Makes the images with a model.
    /// - Parameter hash: that of the model's files.
    /// - Throws: a one-line error when the model cannot meet the settings.
    func maker(_ model: LatentDiffusionModel, hash: String, store: ContentStore) throws -> ImageMaker<Order>

    /// What a picture of some images shows.
    func layout(rows: Int) -> GenerationLayout
}

/// What a picture of some generated images shows: rows of images, each perhaps behind its source.
public struct GenerationLayout: Sendable {
    /// One row of the picture.
    public struct Row: Sendable {
        /// What stands beside the row, and below its first image.
        public let label: String, caption: String
        /// The source image's path in the data set; nil for none.
        public let source: String?
        /// The numbers of the images in the plan; nil leaves a place empty.
        public let numbers: [Int?]
    }

    /// The line at the top.
    public let title: String
    /// The rows, from the top.
    public let rows: [Row]
    /// What stands above the columns.
    public let columns: [String]

    /// Places that lie evenly in 0..<count, at most some.
    static func spread(_ some: Int, over count: Int) -> [Int] {
        let some = min(some, count)
        return (0..<some).map { (2 * $0 + 1) * count / (2 * some) }
    }
}
