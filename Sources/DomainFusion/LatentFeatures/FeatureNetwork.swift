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
