import Foundations

/// An image that was generated before training: one line of `manifest.jsonl`.
public struct GeneratedImage: Codable, Sendable, Equatable {
    /// Its file in the folder.
    public let path: String
    /// SHA-256 of its size and pixels.
    public let sha256: String
    /// The source image's path in the data set.
    public let source: String
    /// The name of its class.
    public let className: String
    /// The domain of the source image, which it counts to.
    public let domain: String
    /// The domain whose style it was asked for.
    public let target: String
    /// The number of the copy, from 0.
    public let copy: Int
    /// What it was asked for.
    public let prompt: String
    /// The seed of its noise.
    public let seed: UInt64

    private enum CodingKeys: String, CodingKey {
        case path, sha256, source, domain, target, copy, prompt, seed
        case className = "class"
    }
}
