import Torch

/// An autoencoder between images and the latents of a U-Net.
///
/// Images are [N, imageChannels, H, W], about in [−1, 1]; latents [N, latentChannels, H / f, W / f], scaled as the U-Net
/// takes them, with f = ``downsampling``.
public protocol LatentAutoencoder: AnyObject {
    /// The weights, with their device and type.
    var store: ParameterStore { get }
    /// Channels of an image, 3 for colours.
    var imageChannels: Int { get }
    /// Channels of a latent, 4 in Stable Diffusion.
    var latentChannels: Int { get }
    /// Image pixels along one side of a latent.
    var downsampling: Int { get }

    /// The latents of images: of several that are likely, their mean.
    func encode(_ images: Tensor) -> Tensor

    /// Latents drawn from those that are likely, where there are several.
    /// - Parameter noise: called if so; returns standard normal noise of the latents' shape.
    func encode(_ images: Tensor, noise: () -> Tensor) -> Tensor

    /// The images that latents stand for.
    func decode(_ latents: Tensor) -> Tensor
}

extension AutoencoderKL: LatentAutoencoder {
    /// Channels of an image, as the settings say.
    public var imageChannels: Int { config.imageChannels }
    /// Channels of a latent, as the settings say.
    public var latentChannels: Int { config.latentChannels }
    /// Image pixels along one side of a latent, 8 in Stable Diffusion.
    public var downsampling: Int { config.downsampling }

    /// Scaled latents drawn from the posterior of images in [−1, 1].
    /// - Parameter noise: returns standard normal noise of the latents' shape.
    public func encode(_ images: Tensor, noise: () -> Tensor) -> Tensor {
        posterior(images).sample(noise: noise()) * config.scalingFactor
    }
}

/// Reads the `vae/` folder of a model, whichever autoencoder is in it.
/// - Throws: ``ModelError``, `FileFormatError` or `UserError`, one line naming the file and what is wrong.
public func makeAutoencoder(folder: String, device: Device, dtype: DType) throws -> any LatentAutoencoder {
    var reader = try ConfigReader(path: "\(folder)/config.json")
    return switch try reader.string("_class_name", "AutoencoderKL") {
    case "AutoencoderTiny": try AutoencoderTiny(folder: folder, device: device, dtype: dtype)
    default: try AutoencoderKL(folder: folder, device: device, dtype: dtype)
    }
}
