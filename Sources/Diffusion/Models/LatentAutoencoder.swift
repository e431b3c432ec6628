import Torch

/// An autoencoder between images and the latents of a U-Net.
///
/// Images are [N, imageChannels, H, W], about in [−1, 1]; latents [N, latentChannels, H / f, W / f], scaled as the U-Net
/// takes them, with f = ``downsampling``.
public protocol LatentAutoencoder: AnyObject {
    var store: ParameterStore { get }
    var imageChannels: Int { get }
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
    public var imageChannels: Int { config.imageChannels }
    public var latentChannels: Int { config.latentChannels }
    public var downsampling: Int { config.downsampling }

    public func encode(_ images: Tensor, noise: () -> Tensor) -> Tensor {
        posterior(images).sample(noise: noise()) * config.scalingFactor
    }
}

/// Reads the `vae/` folder of a model, whichever autoencoder is in it.
/// - Throws: ``ModelError``, `FileFormatError` or `UserError`, one line naming the file and what is wrong.
func makeAutoencoder(folder: String, device: Device, dtype: DType) throws -> any LatentAutoencoder {
    var reader = try ConfigReader(path: "\(folder)/config.json")
    return switch try reader.string("_class_name", "AutoencoderKL") {
    case "AutoencoderTiny": try AutoencoderTiny(folder: folder, device: device, dtype: dtype)
    default: try AutoencoderKL(folder: folder, device: device, dtype: dtype)
    }
}
