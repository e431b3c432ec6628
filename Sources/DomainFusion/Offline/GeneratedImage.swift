import Foundations

/// An image that was generated before training: one line of `manifest.jsonl`.
public struct GeneratedImage: Codable, Sendable, Equatable {
    /// Its file in the folder.
    public let path: String
    /// SHA-256 of its size and pixels; empty before it is made.
    public internal(set) var sha256 = ""
    /// The source image's path in the data set; nil for an image that was made of noise alone.
    public let source: String?
    /// The path of the image of ``target`` that was mixed in; nil for none.
    public private(set) var guide: String?
    /// The name of its class.
    public let className: String
    /// The domain of the source image, which it counts to; of an image between two domains the first.
    public let domain: String
    /// The domain whose style it was asked for; of an image between two domains the second.
    public let target: String
    /// The number of the copy, from 0.
    public let copy: Int
    /// What it was asked for.
    public let prompt: String
    /// The prompt whose states were mixed with those of ``prompt``; nil for none.
    public private(set) var otherPrompt: String?
    /// The share of ``guide`` beside the source, or of ``prompt`` beside ``otherPrompt``, 0…1; nil where nothing was mixed.
    public private(set) var weight: Double?
    /// The weight of guidance that was drawn for it; nil for that of the settings.
    public private(set) var guidance: Double?
    /// The seed of its noise.
    public let seed: UInt64
    /// The probability that a judge gave its class, 0…1, and the entropy of all that it gave, in nats; nil before a selection.
    public internal(set) var confidence: Double?, entropy: Double?

    private enum CodingKeys: String, CodingKey {
        case path, sha256, source, guide, domain, target, copy, prompt, weight, guidance, seed, confidence, entropy
        case className = "class"
        case otherPrompt = "other_prompt"
    }

    /// An image made of a source image.
    init(
        path: String, source: String, className: String, domain: String, target: String, copy: Int, prompt: String,
        seed: UInt64
    ) {
        (self.path, self.source, self.className, self.prompt) = (path, source, className, prompt)
        (self.domain, self.target, self.copy, self.seed) = (domain, target, copy, seed)
    }

    /// An image between two domains.
    init(
        path: String, className: String, domains: (String, String), copy: Int, prompts: (String, String),
        weight: Double, guidance: Double, seed: UInt64
    ) {
        (self.path, source, self.className, prompt, otherPrompt) = (path, nil, className, prompts.0, prompts.1)
        (domain, target, self.copy, self.seed) = (domains.0, domains.1, copy, seed)
        (self.weight, self.guidance) = (weight, guidance)
    }

    /// The image with another's latents mixed in.
    func guided(by guide: String, weight: Double) -> Self {
        var result = self
        (result.guide, result.weight) = (guide, weight)
        return result
    }

    /// The folder of an image's class, for a domain and another one.
    static func folder(_ domain: String, _ target: String, className: String) -> String {
        "\(domain)/\(domain)_\(target)/\(className)"
    }

    /// A seed, or another number that is drawn for an image.
    static func seed(_ parts: String...) -> UInt64 {
        UInt64(SHA256Sum.of(parts.joined(separator: "/")).prefix(13), radix: 16) ?? 0
    }
}
