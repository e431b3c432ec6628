import Backbones
import Diffusion
import DomainGeneralization
import Foundations
import Pixels
import Torch

/// What turns an image into numbers, one image at a time: so they do not depend on what else is worked out.
protocol FeatureNetwork {
    /// Everything that the numbers depend on beside the image, for their address in the store.
    var identity: [String: JSONValue] { get }
    /// Numbers of an image by name, each [numbers].
    /// - Parameter hash: of the image.
    func features(_ image: RGBImage, hash: String, ledger: inout Ledger) throws -> StateDict
}

/// A U-Net's maps of one noised latent: mean and largest value of each channel at each time step, [times, channels].
struct UNetFeatures: FeatureNetwork {
    private let denoiser: FrozenDenoiser
    private let unet: UNet2DConditionModel
    private let block: UNetBlock
    private let times: [Int]
    private let seed: Int
    let identity: [String: JSONValue]

    /// - Parameter isRandom: whether fresh weights, drawn by the seed, take the place of the model's.
    /// - Throws: `UserError` for a block or a time that the model does not have.
    init(
        _ model: LatentDiffusionModel, fingerprint: String, block: UNetBlock, times: [Int], seed: Int, isRandom: Bool
    ) throws {
        denoiser = FrozenDenoiser(model)
        unet = isRandom ? try Self.random(like: model.unet, seed: seed) : model.unet
        let blocks = unet.blocks
        guard blocks.contains(block) else {
            throw UserError(
                "block: \(model.path) has no block \(block); it has \(blocks.map(\.description).joined(separator: ", "))"
            )
        }
        let total = denoiser.timeSteps
        if let late = times.first(where: { $0 >= total }) {
            throw UserError("times: \(late) is not below \(total), the number of the model's time steps")
        }
        (self.block, self.times, self.seed) = (block, times, seed)
        var parts: [String: JSONValue] = [
            "ldm": .string(fingerprint), "block": .string("\(block)"), "times": .array(times.map(JSONValue.int)),
            "seed": .int(seed), "version": .int(1),
        ]
        if isRandom { parts["weights"] = "random" }
        identity = parts
    }

    private static func random(like unet: UNet2DConditionModel, seed: Int) throws -> UNet2DConditionModel {
        let store = ParameterStore(seed: UInt64(bitPattern: Int64(seed)), device: unet.store.device)
        let made = try withTorchErrors { UNet2DConditionModel(store, unet.config) }
        store.setRequiresGrad(false)
        return made
    }

    /// Channels of the block's maps.
    var channels: Int { unet.channels(of: block) }

    func features(_ image: RGBImage, hash: String, ledger: inout Ledger) throws -> StateDict {
        ledger.unetEvaluations += times.count
        ledger.vaePasses += 1
        return try withTorchErrors {
            inferenceMode {
                let model = denoiser.model
                let latents = model.vae.encode((2 * image.modelInput(model) - 1).contiguous(.channelsLast))
                // One noise for all times: what differs between them is how much there is of it.
                let seed = UInt64(SHA256Sum.of("\(hash) \(seed)").prefix(16), radix: 16) ?? 0
                let noise = Tensor.randn(latents.shape, generator: Generator(seed: seed))
                    .to(device: model.device, dtype: latents.dtype)
                let count = times.count
                let draw = NoiseDraw(
                    times: Tensor(times, device: model.device), noise: noise.expanded([count, -1, -1, -1]))
                let noisy = denoiser.noised(latents.expanded([count, -1, -1, -1]), draw)
                let maps = unet.maps(
                    of: [block], noisy.contiguous(.channelsLast), timesteps: draw.times,
                    context: model.embed([""]).expanded([count, -1, -1]))
                var state = StateDict()
                if let maps = maps[block]?.to(dtype: .float32) {
                    state["mean"] = maps.mean([2, 3]).to(device: .cpu)
                    state["max"] = maps.max([2, 3]).to(device: .cpu)
                }
                return state
            }
        }
    }
}

/// The autoencoder's latents, averaged to at most 16×16 positions.
struct VAEFeatures: FeatureNetwork {
    private static let side = 16
    let model: LatentDiffusionModel
    let identity: [String: JSONValue]

    init(_ model: LatentDiffusionModel, fingerprint: String) {
        self.model = model
        identity = ["ldm": .string(fingerprint), "block": "latent", "version": 1]
    }

    /// Positions along a side of the latents, and how many of them are averaged to one.
    private var sides: (latents: Int, factor: Int) {
        let side = model.imageSize / model.vae.downsampling
        return (side, max(1, (side + Self.side - 1) / Self.side))
    }

    var width: Int { model.vae.latentChannels * (sides.latents / sides.factor) * (sides.latents / sides.factor) }

    func features(_ image: RGBImage, hash: String, ledger: inout Ledger) throws -> StateDict {
        ledger.vaePasses += 1
        return try withTorchErrors {
            inferenceMode {
                let latents = model.vae.encode((2 * image.modelInput(model) - 1).contiguous(.channelsLast))
                let pooled = latents.averagePool2d(sides.factor, stride: sides.factor)
                var state = StateDict()
                state["mean"] = pooled.to(device: .cpu, dtype: .float32).contiguous().flattened(from: 0).unsqueezed(0)
                return state
            }
        }
    }
}

/// The features of an ImageNet backbone, with the weights that are installed.
struct BackboneFeatures: FeatureNetwork {
    private let classifier: Classifier
    let identity: [String: JSONValue]

    /// - Throws: `UserError` for an unknown network, or one without weights.
    init(_ name: String, device: Device) throws {
        let description = try Backbones.named(name)
        guard let file = description.installedWeights() else {
            throw UserError(
                "control: no weights of \(description.name) are installed; run scripts/bootstrap, or name another")
        }
        classifier = try Classifier(
            description, classCount: 1, weights: StateDict(contentsOf: file), name: file, seed: 0, device: device)
        identity = [
            "backbone": .string(description.name), "weights": .string(try SHA256Sum.of(file: file)), "version": 1,
        ]
    }

    var width: Int { classifier.featureCount }

    func features(_ image: RGBImage, hash: String, ledger: inout Ledger) throws -> StateDict {
        let size = classifier.description.imageSize
        let sized = image.width == size && image.height == size ? image : image.resized(width: size, height: size)
        let input = Tensor.images([sized]).to(device: classifier.generator.device)
        return try withTorchErrors {
            classifier.evaluating {
                var state = StateDict()
                state["mean"] = classifier.features(classifier.description.normalisation(input)).to(device: .cpu)
                return state
            }
        }
    }
}
