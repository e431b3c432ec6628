import DomainGeneralization
import Foundations
import Pixels

/// The images that a request's style and content are chosen from.
struct CompositionPool {
    /// What was asked for.
    let request: Augmenter.Request
    /// All candidates of the request.
    private let candidates: [RGBImage]
    /// The candidates to choose from: indices into all of them.
    let kept: [Int]
    /// Whether the source image's content can be chosen, too.
    private let includesSource: Bool
    /// The kept candidates, then the source image where its content can be chosen.
    let images: [RGBImage]

    init(_ request: Augmenter.Request, candidates: [RGBImage], kept: [Int], includesSource: Bool) {
        self.request = request
        self.candidates = candidates
        self.kept = kept
        self.includesSource = includesSource
        images = kept.map { candidates[$0] } + (includesSource ? [request.source] : [])
    }

    /// What a composed image depends on beside the composer.
    var description: [String: JSONValue] {
        [
            "image": .string(SHA256Sum.of(request.start)),
            "candidates": .array(kept.map { .string(SHA256Sum.of(candidates[$0])) }),
            "source": includesSource ? .string(SHA256Sum.of(request.source)) : .null,
        ].merging(request.amplitude.particulars) { $1 }
    }

    /// The prompts and seeds of the kept candidates, one of which a model draws with.
    var drawn: [String: JSONValue] {
        [
            "prompts": .array(kept.map { .string(request.prompts[$0]) }),
            "seeds": .array(kept.map { .int(Int(truncatingIfNeeded: request.seeds[$0])) }),
        ]
    }

    /// Whether a choice is of this pool.
    func fits(_ choice: CompositionChoice) -> Bool { choice.fits(styles: kept.count, contents: images.count) }

    /// What became of a choice, in numbers of all candidates.
    func composition(_ choice: CompositionChoice, image: RGBImage) -> Composition {
        var styles = [Double?](repeating: nil, count: candidates.count)
        var contents = styles
        for (place, candidate) in kept.enumerated() {
            styles[candidate] = choice.styleSimilarities[place]
            contents[candidate] = choice.contentSimilarities[place]
        }
        var style = choice.style.map { kept[$0] }
        if case .candidate = request.amplitude {} else { style = nil }
        return Composition(
            image: image, style: style, content: choice.content < kept.count ? kept[choice.content] : nil,
            styleSimilarities: styles, contentSimilarities: contents,
            sourceSimilarity: includesSource ? choice.contentSimilarities.last : nil)
    }
}
