import DomainGeneralization
import Foundations
import Torch

/// What of an image counts as its content, and how alike two contents are.
public protocol ContentMeasure {
    /// The measure's name and all that its numbers depend on beside the images.
    var fingerprint: JSONValue { get }

    /// Images that an autoencoder is asked to encode for one content; 0 without one.
    var vaePassesPerContent: Int { get }

    /// The contents of images [N, 3, H, W] in 0…1: [N, …], real or complex numbers.
    func contents(_ images: Tensor) -> Tensor

    /// How alike the contents `b` are to `a`, row by row, at most 1: [N]. One row is compared with every row of the other.
    func contentSimilarity(_ a: Tensor, _ b: Tensor) -> Tensor
}

/// How contents are compared.
public enum ContentSimilarity: String, SettingChoice {
    /// As the composition has it: phase for fourier, latent for latent, edges for candidate and injection.
    case own
    /// The phases of the spectra: ``FourierSpace``.
    case phase
    /// Where brightness and colour change: ``EdgeContent``.
    case edges
    /// The correlation of the diffusion model's latents, channel by channel normalised: ``LatentAdaINSpace``.
    case latent
}
