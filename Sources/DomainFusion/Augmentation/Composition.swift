import Pixels

/// A new image of one image's style and another's content, and why these two.
public struct Composition: Sendable {
    /// The composed image.
    public let image: RGBImage
    /// The candidate whose style was taken; nil where it is another image's, or the source
    /// image was taken as it is.
    public let style: Int?
    /// The candidate whose content was taken; nil for the source image's.
    public let content: Int?
    /// How alike each candidate's style is to the image's own; nil for a candidate that was dropped.
    public let styleSimilarities: [Double?]
    /// How alike each candidate's content is to the image's own; nil for a candidate that was dropped.
    public let contentSimilarities: [Double?]
    /// The same for the source image, where its content could be chosen.
    public let sourceSimilarity: Double?
}
