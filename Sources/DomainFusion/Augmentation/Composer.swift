import DomainGeneralization
import Foundations
import Pixels
import Torch

/// A new image of one candidate's style and another's content, and why these two.
public struct Composition: Sendable {
    /// The composed image.
    public let image: RGBImage
    /// The candidate whose style was taken, the least like the image's own.
    public let style: Int
    /// The candidate whose content was taken, the most like the image's own; nil for the source image's.
    public let content: Int?
    /// How alike each candidate's style is to the image's own; nil for a candidate that was dropped.
    public let styleSimilarities: [Double?]
    /// How alike each candidate's content is to the image's own; nil for a candidate that was dropped.
    public let contentSimilarities: [Double?]
    /// The same for the source image, where its content could be chosen.
    public let sourceSimilarity: Double?
}

/// Chooses style and content among candidates and composes them.
public struct Composer {
    /// How images are taken apart and put together.
    public let space: any StyleContentSpace
    /// How styles are compared.
    public let styleSimilarity: StyleSimilarity
    /// Whether the source image's content can be chosen, too.
    public let includesSource: Bool

    /// A composer that chooses among candidates alone by default.
    public init(
        _ space: any StyleContentSpace, styleSimilarity: StyleSimilarity = .logarithmic, includesSource: Bool = false
    ) {
        self.space = space
        self.styleSimilarity = styleSimilarity
        self.includesSource = includesSource
    }

    /// Composes a request's candidates; nil when none is kept.
    /// - Parameter kept: the candidates to choose from.
    func compose(
        _ request: Augmenter.Request, candidates: [RGBImage], kept: [Int], store: ContentStore, ledger: inout Ledger
    ) throws -> Composition? {
        guard !kept.isEmpty else { return nil }
        let pool = kept.map { candidates[$0] } + (includesSource ? [request.source] : [])
        let key = StoreKey(
            .composed,
            [
                "image": .string(SHA256Sum.of(request.start)),
                "candidates": .array(kept.map { .string(SHA256Sum.of(candidates[$0])) }),
                "source": includesSource ? .string(SHA256Sum.of(request.source)) : .null,
                "space": space.fingerprint, "styleSimilarity": .string(styleSimilarity.rawValue),
            ])
        let stored: ContentStore.StoredImage
        let choice: Choice
        if let found = store.image(for: key), let noted = try? found.notes.decoded(as: Choice.self),
            noted.fits(styles: kept.count, contents: pool.count)
        {
            (stored, choice) = (found, noted)
        } else {
            let made = try withTorchErrors {
                try noGrad { try choose(start: request.start, pool: pool, styles: kept.count) }
            }
            choice = made.choice
            stored = try store.put(made.image, notes: JSONValue(encoding: choice), for: key)
            ledger.composedMade += 1
            ledger.vaePasses += (pool.count + 1) * space.vaePasses.decompose + space.vaePasses.compose
        }
        var styles = [Double?](repeating: nil, count: candidates.count)
        var contents = styles
        for (place, candidate) in kept.enumerated() {
            styles[candidate] = choice.styleSimilarities[place]
            contents[candidate] = choice.contentSimilarities[place]
        }
        return Composition(
            image: stored.image, style: kept[choice.style],
            content: choice.content < kept.count ? kept[choice.content] : nil, styleSimilarities: styles,
            contentSimilarities: contents, sourceSimilarity: includesSource ? choice.contentSimilarities.last : nil)
    }

    /// What is noted beside a composed image; numbers count the pool's images.
    private struct Choice: Codable {
        let style: Int
        let content: Int
        let styleSimilarities: [Double]
        let contentSimilarities: [Double]

        func fits(styles: Int, contents: Int) -> Bool {
            styleSimilarities.count == styles && contentSimilarities.count == contents
                && styleSimilarities.indices.contains(style) && contentSimilarities.indices.contains(content)
        }
    }

    /// - Parameter styles: the first images of the pool, whose styles can be chosen.
    private func choose(start: RGBImage, pool: [RGBImage], styles: Int) throws -> (choice: Choice, image: RGBImage) {
        let parts = space.decompose(.images([start] + pool))
        let styleSimilarities = styleSimilarity(parts.style[0..<1], parts.style[1..<1 + styles]).scalars(Double.self)
        let contentSimilarities = space.contentSimilarity(parts.content[0..<1], parts.content[1..<1 + pool.count])
            .scalars(Double.self)
        // Of equal ones the first, on every machine.
        let style = styleSimilarities.indices.min { styleSimilarities[$0] < styleSimilarities[$1] } ?? 0
        let content = contentSimilarities.indices.max { contentSimilarities[$0] < contentSimilarities[$1] } ?? 0
        let composed = space.compose(
            style: parts.style[1 + style..<2 + style], content: parts.content[1 + content..<2 + content])
        // Failed: `withTorchErrors` throws why.
        guard composed.rank == 4 else { throw UserError("the images cannot be composed") }
        guard composed.isFinite().all().item() != 0 else {
            throw UserError("a composed image has numbers that are not finite; run the autoencoder in float32")
        }
        return (
            Choice(
                style: style, content: content, styleSimilarities: styleSimilarities,
                contentSimilarities: contentSimilarities), composed.rgbImages()[0]
        )
    }
}
