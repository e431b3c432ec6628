import Foundations
import Torch

extension LatentDiffusionModel {
    /// The images that latents stand for.
    /// - Parameter latents: [N, C, h, w], as ``LatentAutoencoder/encode(_:)`` gives them.
    /// - Returns: [N, 3, H, W] in [0, 1], float32 on the CPU.
    /// - Throws: `TorchError`, for a lack of memory too.
    public func images(of latents: Tensor) throws -> Tensor {
        try inBatches(of: latents.size(0), positions: latents.size(2) * latents.size(3)) { batch in
            try withTorchErrors {
                inferenceMode {
                    let part = latents[batch].to(device: device).contiguous(.channelsLast)
                    return (vae.decode(part).to(device: .cpu, dtype: .float32) * 0.5 + 0.5).clamp(min: 0, max: 1)
                }.ordinaryCopy()
            }
        }
    }

    /// The latents that stand for images: the mean of the VAE's posterior.
    /// - Parameter images: [N, 3, H, W] in [0, 1], with H and W multiples of the VAE's downsampling.
    /// - Returns: [N, C, h, w], float32 on the model's device.
    /// - Throws: `UserError` for images of a shape that the VAE does not take, `TorchError` for a lack of memory.
    public func latents(of images: Tensor) throws -> Tensor {
        guard images.rank == 4, images.size(0) > 0 else { return try latents(of: images, noise: nil) }
        let positions = images.size(2) / vae.downsampling * (images.size(3) / vae.downsampling)
        return try inBatches(of: images.size(0), positions: positions) { batch in
            try withTorchErrors { try latents(of: images[batch], noise: nil).ordinaryCopy() }
        }
    }

    /// Latents of images in [0, 1], on the model's device; the images' sizes are checked.
    /// - Parameter noise: standard normal noise to draw from the VAE's posterior with, called if it has one; nil for its
    ///   mean.
    /// - Throws: `UserError` for images of a shape that the VAE does not take.
    func latents(of images: Tensor, noise: (() -> Tensor)?) throws -> Tensor {
        let factor = vae.downsampling
        guard images.rank == 4, images.size(0) > 0, images.size(1) == vae.imageChannels,
            images.size(2) % factor == 0, images.size(3) % factor == 0, images.size(2) > 0, images.size(3) > 0
        else {
            throw UserError(
                "images of shape \(images.shape): the model takes [N, \(vae.imageChannels), H, W] with H and W "
                    + "multiples of \(factor); resize them")
        }
        let input = (2 * images.to(device: device, dtype: .float32) - 1).contiguous(.channelsLast)
        return inferenceMode { noise.map { vae.encode(input, noise: $0) } ?? vae.encode(input) }.to(dtype: .float32)
    }

    /// Standard normal noise, one image's from each generator, on the model's device.
    func noise(_ generators: [Generator], height: Int, width: Int) -> Tensor {
        let shape = [1, unet.config.inChannels, height, width]
        return Tensor.concatenated(generators.map { Tensor.randn(shape, generator: $0) }).to(device: device)
    }

    /// Calls `body` for parts of `count` images that fit into memory, and joins what it returns.
    /// - Parameter positions: latent positions of one image, h · w.
    func inBatches(of count: Int, positions: Int, _ body: (Range<Int>) throws -> Tensor) throws -> Tensor {
        let limit = Self.batchLimit(positions: positions)
        var parts: [Tensor] = []
        for start in stride(from: 0, to: count, by: limit) {
            parts.append(try body(start..<min(count, start + limit)))
        }
        return parts.count == 1 ? parts[0] : .concatenated(parts)
    }

    /// Images of ``imageSize`` that one call of a network is given at most.
    public var batchLimit: Int {
        let side = imageSize / vae.downsampling
        return Self.batchLimit(positions: side * side)
    }

    /// Images in one batch: 64 of up to 16×16 latents, fewer of larger ones (4 of Stable Diffusion's 64×64).
    static func batchLimit(positions: Int) -> Int { min(64, max(1, 64 * 16 * 16 / max(1, positions))) }
}

extension Tensor {
    /// A contiguous copy that may enter a graph, of what was made in inference mode too.
    func ordinaryCopy() -> Tensor {
        ordinaryMode {
            let copy = Tensor.empty(shape, dtype: dtype, device: device)
            copy.copy_(self)
            return copy
        }
    }
}
