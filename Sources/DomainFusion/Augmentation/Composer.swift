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
        /// The diffusion model draws the content in the style.
        case injection(StyleInjection)
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
        switch method {
        case .space: break
        case .candidate: result["method"] = "candidate"
        case .injection(let injection): result["method"] = .string(injection.fingerprint)
        }
        if let contents { result["contents"] = contents.fingerprint }
        if contentThreshold > 0 { result["contentThreshold"] = .double(contentThreshold) }
        return result
    }

    /// Composes requests' candidates; nil where none is kept, or none can be chosen.
    /// - Parameters:
    ///   - kept: the candidates to choose from, by request.
    ///   - batchSize: images that a diffusion model is asked to draw together at most.
    ///   - poll: called between the images, and between the model's batches.
    func compositions(
        _ requests: [Augmenter.Request], candidates: [[RGBImage]], kept: [[Int]], batchSize: Int, store: ContentStore,
        ledger: inout Ledger, poll: () throws -> Void
    ) throws -> [Composition?] {
        var result = [Composition?](repeating: nil, count: requests.count)
        var drawings: [(index: Int, drawing: Drawing)] = []
        for index in requests.indices {
            try poll()
            guard !kept[index].isEmpty else { continue }
            let pool = CompositionPool(
                requests[index], candidates: candidates[index], kept: kept[index], includesSource: includesSource)
            let key = key(pool, batchSize: batchSize)
            if let found = store.image(for: key), let choice = try? found.notes.decoded(as: CompositionChoice.self),
                pool.fits(choice)
            {
                result[index] = pool.composition(choice, image: found.image)
                continue
            }
            let chosen = try withTorchErrors { try noGrad { try choose(pool, ledger: &ledger) } }
            guard let chosen else { continue }
            if let image = chosen.image {
                result[index] = try stored(image, chosen.choice, pool, key, store: store, ledger: &ledger)
            } else {
                drawings.append((index, Drawing(pool: pool, choice: chosen.choice, key: key)))
            }
        }
        guard case .injection(let injection) = method else { return result }
        let size = min(batchSize, injection.largestBatch)
        for first in stride(from: 0, to: drawings.count, by: size) {
            try poll()
            let batch = Array(drawings[first..<min(first + size, drawings.count)])
            let images = try drawn(batch.map(\.drawing), injection, size: size, ledger: &ledger)
            for (place, image) in zip(batch, images) {
                let drawing = place.drawing
                result[place.index] = try stored(
                    image, drawing.choice, drawing.pool, drawing.key, store: store, ledger: &ledger)
            }
        }
        return result
    }

    /// A chosen style and content that a diffusion model is to draw.
    private struct Drawing {
        let pool: CompositionPool
        let choice: CompositionChoice
        let key: StoreKey

        var content: RGBImage { pool.images[choice.content] }
        /// The candidate whose style is taken; there is one, since it need not be the content's.
        private var place: Int { choice.style ?? 0 }
        var style: RGBImage { pool.images[place] }
        /// What the style's candidate was asked for, and its seed.
        var prompt: String { pool.request.prompts[pool.kept[place]] }
        var seed: UInt64 { pool.request.seeds[pool.kept[place]] }
    }

    private func key(_ pool: CompositionPool, batchSize: Int) -> StoreKey {
        var parts = pool.description.merging(particulars) { $1 }
        parts["space"] = space.fingerprint
        parts["styleSimilarity"] = .string(styleSimilarity.rawValue)
        if case .injection(let injection) = method {
            parts.merge(pool.drawn) { $1 }
            parts["batch"] = .int(min(batchSize, injection.largestBatch))
        }
        return StoreKey(.composed, parts)
    }

    private func stored(
        _ image: RGBImage, _ choice: CompositionChoice, _ pool: CompositionPool, _ key: StoreKey, store: ContentStore,
        ledger: inout Ledger
    ) throws -> Composition {
        ledger.composedMade += 1
        let stored = try store.put(image, notes: JSONValue(encoding: choice), for: key, ledger: &ledger)
        return pool.composition(choice, image: stored.image)
    }

    /// - Returns: nil where nothing can be chosen; an image of nil where a model is to draw it.
    private func choose(
        _ pool: CompositionPool, ledger: inout Ledger
    ) throws -> (choice: CompositionChoice, image: RGBImage?)? {
        let images = Tensor.images([pool.request.start] + pool.images)
        let parts = space.decompose(images)
        ledger.vaePasses += images.size(0) * space.vaePasses.decompose
        let compared = contents?.contents(images) ?? parts.content
        ledger.vaePasses += images.size(0) * (contents?.vaePassesPerContent ?? 0)
        let choice = CompositionChoice(
            styleSimilarities: styleSimilarity(parts.style[0..<1], parts.style[1..<1 + pool.kept.count])
                .scalars(Double.self),
            contentSimilarities: (contents ?? space).contentSimilarity(
                compared[0..<1], compared[1..<images.size(0)]
            ).scalars(Double.self), isOne: method.isOne, threshold: contentThreshold)
        guard let choice else { return nil }
        switch method {
        case .candidate: return (choice, pool.images[choice.content])
        case .injection: return (choice, nil)
        case .space:
            let other = pool.request.amplitude.image(start: images[0..<1]).map { space.decompose($0).style }
            let style = choice.style ?? 0
            let composed = space.compose(
                style: other ?? parts.style[1 + style..<2 + style],
                content: parts.content[1 + choice.content..<2 + choice.content])
            ledger.vaePasses += space.vaePasses.compose
            return (choice, try Self.images(composed)[0])
        }
    }

    /// Images of one batch, filled up to its full size so that none depends on what else is drawn.
    private func drawn(
        _ drawings: [Drawing], _ injection: StyleInjection, size: Int, ledger: inout Ledger
    ) throws -> [RGBImage] {
        let full = (0..<size).map { drawings[min($0, drawings.count - 1)] }
        let images = try withTorchErrors {
            try Self.images(
                injection.images(
                    contents: .images(full.map(\.content)), styles: .images(full.map(\.style)),
                    prompts: full.map(\.prompt), seeds: full.map(\.seed)))
        }
        ledger.unetEvaluations += size * injection.unetEvaluationsPerImage
        ledger.vaePasses += size * injection.vaePassesPerImage
        return Array(images.prefix(drawings.count))
    }

    /// - Parameter composed: [N, 3, H, W] in 0…1.
    private static func images(_ composed: Tensor) throws -> [RGBImage] {
        // Failed: `withTorchErrors` throws why.
        guard composed.rank == 4 else { throw UserError("the images cannot be composed") }
        guard composed.isFinite().all().item() != 0 else {
            throw UserError("a composed image has numbers that are not finite; run the diffusion model in float32")
        }
        return composed.rgbImages()
    }
}

extension Composer.Method {
    /// Whether style and content are one image's.
    fileprivate var isOne: Bool {
        if case .candidate = self { true } else { false }
    }
}
