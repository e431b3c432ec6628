import Diffusion
import DomainGeneralization
import Foundations
import Torch

/// Adaptive instance normalisation (Huang and Belongie 2017) of feature maps [N, C, h, w].
public enum AdaIN {
    private static let epsilon = 1e-5

    /// Style is the mean and the deviation of each channel, [N, 2C]; content is the normalised map, [N, C, h, w].
    public static func decompose(_ features: Tensor) -> StyleContent {
        let mean = features.mean([2, 3], keepDimensions: true)
        let variance = features.variance([2, 3], correction: 0, keepDimensions: true)
        let deviation = (variance + epsilon).sqrt()
        return StyleContent(
            style: .concatenated([mean, deviation], dimension: 1).flattened(from: 1),
            content: (features - mean) / deviation)
    }

    /// `deviation · content + mean`.
    public static func compose(style: Tensor, content: Tensor) -> Tensor {
        let parts = style.chunked(2, dimension: 1).map { $0.unsqueezed(2).unsqueezed(3) }
        return parts[1] * content + parts[0]
    }
}

/// Adaptive instance normalisation in the latent space of a diffusion model: its autoencoder is encoder and decoder.
///
/// A style is [N, 2 · latentChannels], a content [N, latentChannels, h, w]. Contents are alike as their cosine.
public struct LatentAdaINSpace: StyleContentSpace {
    private let vae: any LatentAutoencoder
    private let model: String

    /// The latent space of an autoencoder.
    /// - Parameter model: a hash of the autoencoder's weights.
    public init(_ vae: any LatentAutoencoder, model: String) {
        self.vae = vae
        self.model = model
    }

    /// The space's name and all that composed images depend on.
    public var fingerprint: JSONValue { .object(["space": .string("latent"), "model": .string(model)]) }
    /// One image to take apart, one to compose.
    public var vaePasses: (decompose: Int, compose: Int) { (1, 1) }

    /// Statistics and normalised latents of images [N, 3, H, W] in 0…1.
    public func decompose(_ images: Tensor) -> StyleContent {
        AdaIN.decompose(vae.encode(images.to(device: vae.store.device, dtype: vae.store.dtype) * 2 - 1))
    }

    /// Images [N, 3, H, W] in 0…1 with row i's statistics and row i's map.
    public func compose(style: Tensor, content: Tensor) -> Tensor {
        (vae.decode(AdaIN.compose(style: style, content: content)) * 0.5 + 0.5).clamp(min: 0, max: 1)
    }

    /// The cosine of the two maps, row by row: [N].
    public func contentSimilarity(_ a: Tensor, _ b: Tensor) -> Tensor {
        cosineSimilarity(a.flattened(from: 1), b.flattened(from: 1))
    }
}
