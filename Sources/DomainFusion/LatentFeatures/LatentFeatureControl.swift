/// What takes the place of the diffusion model's features, so that a gain can be told from what anything else would bring.
public enum LatentFeatureControl: Equatable, Sendable {
    /// Nothing: the features themselves.
    case none
    /// The features of another image of the same domain, drawn by the seed: more inputs and noise, but no knowledge.
    case shuffled
    /// A U-Net of the same shape whose weights are random: what the architecture brings.
    case randomUNet
    /// The autoencoder's latents, averaged to at most 16×16: what the autoencoder brings.
    case vaeLatent
    /// The features of an ImageNet backbone that is installed: what a second network brings.
    case backbone(String)

    /// How a control is written.
    public static let forms = "shuffled, random-unet, vae-latent, backbone:NAME"

    /// The control of a text; nil for any other.
    public init?(_ text: String) {
        switch text {
        case "none": self = .none
        case "shuffled": self = .shuffled
        case "random-unet": self = .randomUNet
        case "vae-latent": self = .vaeLatent
        case let text where text.hasPrefix("backbone:") && text.count > 9: self = .backbone(String(text.dropFirst(9)))
        default: return nil
        }
    }
}
