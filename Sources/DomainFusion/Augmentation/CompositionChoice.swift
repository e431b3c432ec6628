/// The images that a composition chose of a pool, and by what; it is noted beside the composed image. Numbers count the
/// pool's images: the kept candidates, then the source image where its content can be chosen.
struct CompositionChoice: Codable {
    /// The candidate whose style is taken; nil for no candidate's.
    let style: Int?
    /// The image whose content is taken.
    let content: Int
    /// How alike each candidate's style is to the image's own.
    let styleSimilarities: [Double]
    /// How alike each content is to the image's own.
    let contentSimilarities: [Double]

    /// Whether the numbers are of a pool of so many candidates and contents.
    func fits(styles: Int, contents: Int) -> Bool {
        styleSimilarities.count == styles && contentSimilarities.count == contents
            && style.map(styleSimilarities.indices.contains) != false && contentSimilarities.indices.contains(content)
    }

    /// The least similar style and the most similar content; of equal ones the first, on every machine.
    ///
    /// With a threshold only candidates of contents at least as similar count, and where there is none, the source image.
    /// - Parameters:
    ///   - isOne: style and content are one image's: the least similar style among those that are close enough.
    ///   - threshold: 0 takes all, the source among them.
    /// - Returns: nil where no candidate is close enough and the source is not in the pool.
    init?(styleSimilarities: [Double], contentSimilarities: [Double], isOne: Bool, threshold: Double) {
        self.styleSimilarities = styleSimilarities
        self.contentSimilarities = contentSimilarities
        let candidates = styleSimilarities.indices
        let pool = isOne ? candidates : contentSimilarities.indices
        let near = threshold > 0 ? candidates.filter { contentSimilarities[$0] >= threshold } : Array(pool)
        func leastLike(_ among: some Collection<Int>) -> Int? {
            among.min { styleSimilarities[$0] < styleSimilarities[$1] }
        }
        if near.isEmpty {
            guard contentSimilarities.count > candidates.count else { return nil }
            content = candidates.count
            style = isOne ? nil : leastLike(candidates)
        } else if isOne {
            let chosen = leastLike(near) ?? 0
            (style, content) = (chosen, chosen)
        } else {
            style = leastLike(candidates)
            content = near.max { contentSimilarities[$0] < contentSimilarities[$1] } ?? 0
        }
    }
}
