import Diffusion
import Foundations
import Pixels

/// A share of a plan's images, drawn by a seed. A larger share has the images of a smaller one, so that accuracy against the number of
/// images is asked of the same ones.
public struct PlanShare<Base: GenerationPlan>: GenerationPlan {
    private let base: Base
    private let share: Double
    private let seed: Int
    /// The images' numbers in the base, ascending.
    private let numbers: [Int]

    /// A share of a plan, of one image at least.
    /// - Parameter share: above 0 and up to 1.
    /// - Throws: `UserError` for another share.
    public init(_ base: Base, share: Double, seed: Int) throws {
        guard share > 0, share <= 1 else { throw UserError("generate.share: \(share) is not above 0 and up to 1") }
        (self.base, self.share, self.seed) = (base, share, seed)
        guard share < 1 else {
            numbers = Array(0..<base.count)
            return
        }
        let places = (0..<base.count).map { (GeneratedImage.seed("\(seed)", "share", base.record($0).path), $0) }
        numbers = places.sorted(by: <).prefix(max(1, Int((share * Double(base.count)).rounded()))).map(\.1).sorted()
    }

    /// Number of images.
    public var count: Int { numbers.count }

    /// The folder of the data set.
    public var root: String { base.root }

    /// The image of a number.
    public func record(_ number: Int) -> GeneratedImage { base.record(numbers[number]) }

    /// What the base asks for.
    public func order(_ record: GeneratedImage, image: (String) throws -> RGBImage) throws -> Base.Order {
        try base.order(record, image: image)
    }

    /// That of the base.
    public func maker(
        _ model: LatentDiffusionModel, hash: String, store: ContentStore
    ) throws -> ImageMaker<Base.Order> { try base.maker(model, hash: hash, store: store) }

    /// That of the base, and which share of it.
    public var identity: JSONValue {
        get throws {
            let own: [String: JSONValue] = share < 1 ? ["share": .double(share), "shareSeed": .int(seed)] : [:]
            return .object((try base.identity.object ?? [:]).merging(own) { $1 })
        }
    }

    /// The base's rows; what is not made leaves a place empty.
    public func layout(rows: Int) -> GenerationLayout {
        let places = Dictionary(uniqueKeysWithValues: numbers.enumerated().map { ($1, $0) })
        let whole = base.layout(rows: rows)
        return GenerationLayout(
            title: whole.title,
            rows: whole.rows.map { row in
                GenerationLayout.Row(
                    label: row.label, caption: row.caption, source: row.source,
                    numbers: row.numbers.map { $0.flatMap { places[$0] } })
            }, columns: whole.columns)
    }
}
