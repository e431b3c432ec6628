import DomainGeneralization
import Foundations
import Pixels
import Torch

/// Chooses style and content among candidates and composes them.
public struct Composer {
    /// How a chosen style and a chosen content become an image.
    public enum Method {
        /// As the space has it that takes images apart.
        case space
        /// One candidate as it is: of those whose content is close enough the one of the least similar style.
        case candidate
    }

    /// How images are taken apart: its styles are compared, and ``Method/space`` puts images together with it.
    public let space: any StyleContentSpace
    /// How a chosen style and a chosen content become an image.
    public let method: Method
    /// How styles are compared.
    public let styleSimilarity: StyleSimilarity
    /// How contents are compared; nil for the space's own way.
    public let contents: (any ContentMeasure)?
    /// How alike a candidate's content must be to the image's own to be chosen; where none is, the source image's content is,
    /// if it can be. 0 takes the most similar of all.
    public let contentThreshold: Double
    /// Whether the source image's content can be chosen, too.
    public let includesSource: Bool

    /// A composer that chooses among candidates alone by default.
    public init(
        _ space: any StyleContentSpace, method: Method = .space, styleSimilarity: StyleSimilarity = .logarithmic,
        contents: (any ContentMeasure)? = nil, contentThreshold: Double = 0, includesSource: Bool = false
    ) {
        self.space = space
        self.method = method
        self.styleSimilarity = styleSimilarity
        self.contents = contents
        self.contentThreshold = contentThreshold
        self.includesSource = includesSource
    }

    /// What composed images depend on beside the space, the similarity of styles and the images; empty for a composer that
    /// puts together by the space what the space finds most similar.
    var particulars: [String: JSONValue] {
        var result: [String: JSONValue] = [:]
        if case .candidate = method { result["method"] = "candidate" }
        if let contents { result["contents"] = contents.fingerprint }
        if contentThreshold > 0 { result["contentThreshold"] = .double(contentThreshold) }
        return result
    }

    /// Composes a request's candidates; nil when none is kept, or none can be chosen.
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
            ].merging(particulars) { $1 }.merging(request.amplitude.particulars) { $1 })
        let stored: ContentStore.StoredImage
        let choice: CompositionChoice
        if let found = store.image(for: key), let noted = try? found.notes.decoded(as: CompositionChoice.self),
            noted.fits(styles: kept.count, contents: pool.count)
        {
            (stored, choice) = (found, noted)
        } else {
            let made = try withTorchErrors {
                try noGrad { try choose(request, pool: pool, styles: kept.count, ledger: &ledger) }
            }
            guard let made else { return nil }
            choice = made.choice
            stored = try store.put(made.image, notes: JSONValue(encoding: choice), for: key)
            ledger.composedMade += 1
        }
        var styles = [Double?](repeating: nil, count: candidates.count)
        var contents = styles
        for (place, candidate) in kept.enumerated() {
            styles[candidate] = choice.styleSimilarities[place]
            contents[candidate] = choice.contentSimilarities[place]
        }
        var style = choice.style.map { kept[$0] }
        if case .candidate = request.amplitude {} else { style = nil }
        return Composition(
            image: stored.image, style: style,
            content: choice.content < kept.count ? kept[choice.content] : nil, styleSimilarities: styles,
            contentSimilarities: contents, sourceSimilarity: includesSource ? choice.contentSimilarities.last : nil)
    }

    /// - Parameter styles: the first images of the pool, whose styles can be chosen.
    private func choose(
        _ request: Augmenter.Request, pool: [RGBImage], styles: Int, ledger: inout Ledger
    ) throws -> (choice: CompositionChoice, image: RGBImage)? {
        let images = Tensor.images([request.start] + pool)
        let parts = space.decompose(images)
        ledger.vaePasses += images.size(0) * space.vaePasses.decompose
        let compared = contents?.contents(images) ?? parts.content
        ledger.vaePasses += images.size(0) * (contents?.vaePassesPerContent ?? 0)
        let measure = contents ?? space
        let choice = CompositionChoice(
            styleSimilarities: styleSimilarity(parts.style[0..<1], parts.style[1..<1 + styles]).scalars(Double.self),
            contentSimilarities: measure.contentSimilarity(compared[0..<1], compared[1..<1 + pool.count])
                .scalars(Double.self), isOne: method.isOne, threshold: contentThreshold)
        guard let choice else { return nil }
        guard case .space = method, let style = choice.style else { return (choice, pool[choice.content]) }
        let other = request.amplitude.image(start: images[0..<1]).map { space.decompose($0).style }
        let composed = space.compose(
            style: other ?? parts.style[1 + style..<2 + style],
            content: parts.content[1 + choice.content..<2 + choice.content])
        ledger.vaePasses += space.vaePasses.compose
        return (choice, try Self.image(composed))
    }

    /// - Parameter composed: [1, 3, H, W] in 0…1.
    private static func image(_ composed: Tensor) throws -> RGBImage {
        // Failed: `withTorchErrors` throws why.
        guard composed.rank == 4 else { throw UserError("the images cannot be composed") }
        guard composed.isFinite().all().item() != 0 else {
            throw UserError("a composed image has numbers that are not finite; run the autoencoder in float32")
        }
        return composed.rgbImages()[0]
    }
}

extension Composer.Method {
    /// Whether style and content are one image's.
    fileprivate var isOne: Bool {
        switch self {
        case .space: false
        case .candidate: true
        }
    }
}
