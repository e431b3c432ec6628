import Torch

/// Settings of ``AutoencoderTiny``: diffusers' `vae/config.json`.
public struct AutoencoderTinyConfig: Sendable, Equatable {
    /// Channels of an image, 3 for colours (`in_channels`).
    public var imageChannels = 3
    /// Channels of a latent, 4 for Stable Diffusion's (`latent_channels`).
    public var latentChannels = 4
    /// Channels of every layer of the encoder.
    public var encoderChannels = 64
    /// Residual blocks of each level of the encoder, from the highest resolution down.
    public var encoderBlocks = [1, 3, 3, 3]
    /// Channels of every layer of the decoder.
    public var decoderChannels = 64
    /// Residual blocks of each level of the decoder, from the lowest resolution up.
    public var decoderBlocks = [3, 3, 3, 1]
    /// Factor from what the encoder gives to the latents of the U-Net; 1 in the published models.
    public var scalingFactor = 1.0

    /// The settings of TAESD for Stable Diffusion 1.x and 2.x.
    public init() {}

    /// Reads a `config.json`.
    /// - Throws: ``ModelError`` for a setting that is unknown or not supported, by name.
    public init(path: String) throws {
        var reader = try ConfigReader(path: path)
        try reader.requireClass("AutoencoderTiny")
        imageChannels = try reader.int("in_channels", 3)
        latentChannels = try reader.int("latent_channels", 4)
        scalingFactor = try reader.double("scaling_factor", 1)
        func levels(_ key: String, _ blocks: [Int]) throws -> Int {
            let channels = try reader.ints(key, blocks.map { _ in 64 })
            try reader.check(
                (1...8).contains(blocks.count) && blocks.allSatisfy { (0...64).contains($0) }
                    && channels.count == blocks.count && Set(channels).count == 1 && (1...4096).contains(channels[0]),
                "\(key) \(channels) is not one number of channels for each of the \(blocks.count) levels")
            return channels[0]
        }
        encoderBlocks = try reader.ints("num_encoder_blocks", encoderBlocks)
        encoderChannels = try levels("encoder_block_out_channels", encoderBlocks)
        decoderBlocks = try reader.ints("num_decoder_blocks", decoderBlocks)
        decoderChannels = try levels("decoder_block_out_channels", decoderBlocks)
        try reader.require([
            "out_channels": .double(Double(imageChannels)), "act_fn": "relu", "upsample_fn": "nearest",
            "upsampling_scaling_factor": 2,
        ])
        // What a range of latents as bytes would be, which no network needs, copies of other settings, and a shift that
        // Stable Diffusion's pipelines do not apply.
        reader.ignore(["block_out_channels", "force_upcast", "latent_magnitude", "latent_shift", "shift_factor"])
        try reader.finish()
        try reader.check(
            (1...4096).contains(imageChannels) && (1...4096).contains(latentChannels) && scalingFactor > 0
                && encoderBlocks.count == decoderBlocks.count, "channels, levels or scaling_factor out of range")
    }

    /// Image pixels along one side of a latent.
    public var downsampling: Int { 1 << (encoderBlocks.count - 1) }
}

/// Three convolutions with a residual connection. Keys: `conv.0`, `conv.2`, `conv.4`.
private struct TinyBlock {
    let convolutions: [Conv2d]

    init(_ scope: Scope, channels: Int) {
        convolutions = [0, 2, 4].map {
            Conv2d(scope / "conv" / $0, in: channels, out: channels, kernel: 3, padding: 1)
        }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        (convolutions[2](convolutions[1](convolutions[0](x).relu()).relu()) + x).relu()
    }
}

/// A level of the encoder begins with a convolution, one of the decoder ends with one.
private typealias TinyLevel = (blocks: [TinyBlock], convolution: Conv2d)

/// The tiny autoencoder of Stable Diffusion's latents, TAESD (diffusers' `AutoencoderTiny`): many times faster than the
/// original, a little blurred. It has no posterior: an image has one latent.
///
/// Images are [N, 3, H, W] in [−1, 1]; latents [N, latentChannels, H / f, W / f]. Both may be of another floating-point
/// type than the weights, and are converted; results have the weights' type.
public final class AutoencoderTiny: LatentAutoencoder {
    /// The settings that the network was built by.
    public let config: AutoencoderTinyConfig
    /// The weights, under the keys of diffusers' `AutoencoderTiny`.
    public let store: ParameterStore
    private let encoder: [TinyLevel]
    private let encoderOut: Conv2d
    private let decoderIn: Conv2d
    private let decoder: [TinyLevel]

    /// Builds the network in a store: with fresh weights, or with a checkpoint's.
    public init(_ store: ParameterStore, _ config: AutoencoderTinyConfig) {
        self.config = config
        self.store = store

        // The layers are numbered through, as modules in a row.
        var index = 0
        func next(_ scope: Scope) -> Scope {
            defer { index += 1 }
            return scope / "layers" / index
        }
        var scope = store.root / "encoder"
        encoder = config.encoderBlocks.enumerated().map { level, count in
            let channels = config.encoderChannels
            let convolution = Conv2d(
                next(scope), in: level == 0 ? config.imageChannels : channels, out: channels, kernel: 3,
                stride: level == 0 ? 1 : 2, padding: 1, bias: level == 0)
            return ((0..<count).map { _ in TinyBlock(next(scope), channels: channels) }, convolution)
        }
        encoderOut = Conv2d(
            next(scope), in: config.encoderChannels, out: config.latentChannels, kernel: 3, padding: 1)

        scope = store.root / "decoder"
        index = 0
        decoderIn = Conv2d(next(scope), in: config.latentChannels, out: config.decoderChannels, kernel: 3, padding: 1)
        index += 1  // the activation
        decoder = config.decoderBlocks.enumerated().map { level, count in
            let channels = config.decoderChannels
            let isLast = level == config.decoderBlocks.count - 1
            let blocks = (0..<count).map { _ in TinyBlock(next(scope), channels: channels) }
            index += isLast ? 0 : 1  // the doubling
            let convolution = Conv2d(
                next(scope), in: channels, out: isLast ? config.imageChannels : channels, kernel: 3, padding: 1,
                bias: isLast)
            return (blocks, convolution)
        }
    }

    /// Channels of an image, as the settings say.
    public var imageChannels: Int { config.imageChannels }
    /// Channels of a latent, as the settings say.
    public var latentChannels: Int { config.latentChannels }
    /// Image pixels along one side of a latent, 8 in the published models.
    public var downsampling: Int { config.downsampling }

    /// The one latent of each image: [N, 3, H, W] in [−1, 1] → [N, latentChannels, H / f, W / f], scaled.
    public func encode(_ images: Tensor) -> Tensor {
        store.verifyBeforeUse()
        var hidden = (images.to(dtype: store.dtype) + 1) / 2
        for level in encoder {
            hidden = level.convolution(hidden)
            for block in level.blocks { hidden = block(hidden) }
        }
        return encoderOut(hidden) * config.scalingFactor
    }

    /// As ``encode(_:)``: an image has one latent, and no noise is drawn.
    public func encode(_ images: Tensor, noise: () -> Tensor) -> Tensor { encode(images) }

    /// The images, about in [−1, 1], of scaled latents: [N, latentChannels, h, w] → [N, 3, f h, f w].
    public func decode(_ latents: Tensor) -> Tensor {
        store.verifyBeforeUse()
        // Outliers are squeezed into −3 … 3.
        let latents = (latents.to(dtype: store.dtype) / (3 * config.scalingFactor)).tanh() * 3
        var hidden = decoderIn(latents).relu()
        for (index, level) in decoder.enumerated() {
            for block in level.blocks { hidden = block(hidden) }
            if index < decoder.count - 1 { hidden = hidden.upsampledNearest(hidden.size(2) * 2, hidden.size(3) * 2) }
            hidden = level.convolution(hidden)
        }
        return hidden * 2 - 1
    }
}

extension AutoencoderTiny {
    /// Reads a `vae/` folder: `config.json` and `diffusion_pytorch_model.safetensors`.
    /// - Throws: ``ModelError``, `FileFormatError` or `UserError`, one line naming the file and what is wrong.
    public convenience init(folder: String, device: Device = .cpu, dtype: DType = .float32) throws {
        let config = try AutoencoderTinyConfig(path: "\(folder)/config.json")
        let store = try ModelWeights.store(
            folder: folder, stems: ["diffusion_pytorch_model"], device: device, dtype: dtype)
        self.init(store, config)
        try store.verify()
        ModelWeights.layOut(store)
    }
}
