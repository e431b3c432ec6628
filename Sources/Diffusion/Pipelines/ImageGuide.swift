import Torch

/// Images that lead image to image beside its prompts: the latents that it noises are (1 − w)·E(image) + w·E(guide).
///
/// Image and guide get the same noise, so that the mixture is as noisy as the U-Net expects; two noises of their own would partly
/// cancel each other.
public struct ImageGuide {
    /// One for each image, of its size: [N, 3, H, W] in [0, 1].
    public let images: Tensor
    /// w, the share of the guide, in 0…1.
    public let weight: Double

    /// Guides with their share in the mixture, 0…1.
    public init(_ images: Tensor, weight: Double) {
        self.images = images
        self.weight = weight
    }
}
