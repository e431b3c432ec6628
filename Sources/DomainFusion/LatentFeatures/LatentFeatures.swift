import Backbones
import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// What a frozen latent diffusion model sees in an image: pooled activations of one block of its U-Net, of the image noised to
/// several time steps, under the empty prompt.
///
/// A classifier takes them beside its own features (`features: {ldm: …}`): head([f_θ(x), dropout(u(x))]). They are worked out once
/// an image and kept in the store, so that no step of a training asks the model; a prediction takes one pass of the autoencoder
/// and one of the U-Net up to the block for each time step. Features of this kind: DIFT (arXiv 2306.03881); joined to a
/// backbone's for domain generalization: GUIDE (arXiv 2503.06698).
public final class LatentFeatures: FrozenFeatures {
    /// How the classifier takes them.
    public let options: FrozenFeatureOptions
    /// Whose features an image gets: another's, as a control.
    public let assignment: FeatureAssignment
    /// What the features took that were worked out here.
    public private(set) var price = FeaturePrice()
    private let parts: [Part]
    private let store: ContentStore
    private let ledger: RunLedger?

    /// A network and how its maps become numbers.
    private struct Part {
        let network: any FeatureNetwork
        let pooling: LatentFeatureSettings.Pooling
        let width: Int
    }

    /// The features of a model, or what takes their place as a control.
    /// - Parameter ledger: counts what they take; nil counts nothing.
    /// - Throws: `UserError` for a block or a time that the model does not have, or a backbone that is not installed.
    public init(
        _ settings: LatentFeatureSettings, model: LatentDiffusionModel, store: ContentStore, ledger: RunLedger? = nil
    ) throws {
        self.store = store
        self.ledger = ledger
        let fingerprint = try model.fingerprint()
        let control = LatentFeatureControl(settings.control) ?? .none
        assignment = control == .shuffled ? .shuffled(seed: settings.seed) : .own
        func backbonePart(_ name: String) throws -> Part {
            let backbone = try BackboneFeatures(name, device: model.device)
            return Part(network: backbone, pooling: .mean, width: backbone.width)
        }
        let first: Part
        switch control {
        case .none, .shuffled, .randomUNet:
            guard let block = UNetBlock(settings.block) else {
                throw UserError("block: '\(settings.block)' is no block; write down0, mid, up0 …")
            }
            let unet = try UNetFeatures(
                model, fingerprint: fingerprint, block: block, times: settings.times, seed: settings.seed,
                isRandom: control == .randomUNet)
            let width = settings.times.count * unet.channels * (settings.pooling == .meanAndMax ? 2 : 1)
            first = Part(network: unet, pooling: settings.pooling, width: width)
        case .vaeLatent:
            let vae = VAEFeatures(model, fingerprint: fingerprint)
            first = Part(network: vae, pooling: .mean, width: vae.width)
        case .backbone(let name): first = try backbonePart(name)
        }
        parts = [first] + (settings.backbone.isEmpty ? [] : [try backbonePart(settings.backbone)])
        options = FrozenFeatureOptions(
            fusion: settings.fusion, dropout: settings.dropout,
            experts: parts.map { .init(width: $0.width, weight: settings.weight, penalty: settings.penalty) })
    }

    /// Features of images: at each time step the means of all channels, then their largest values.
    /// - Throws: `UserError` for features that are not finite; what the store throws; `Interruption` between two images.
    public func features(of images: [RGBImage]) throws -> Tensor {
        .stacked(
            try images.map { image in
                try Interruption.poll()
                return try features(of: image)
            })
    }

    private func features(of image: RGBImage) throws -> Tensor {
        let hash = SHA256Sum.of(image)
        return .concatenated(try parts.map { try features($0, of: image, hash: hash) })
    }

    private func features(_ part: Part, of image: RGBImage, hash: String) throws -> Tensor {
        let key = StoreKey(.features, part.network.identity.merging(["image": .string(hash)]) { $1 })
        let state = try counting { ledger in
            try store.tensors(for: key, ledger: &ledger) { ledger in
                let start = ContinuousClock.now
                defer {
                    price.images += 1
                    price.seconds += (ContinuousClock.now - start) / .seconds(1)
                }
                return try ledger.time("features") { try part.network.features(image, hash: hash, ledger: &$0) }
            }
        }
        let numbers =
            switch part.pooling {
            case .mean: [state["mean"]]
            case .max: [state["max"]]
            case .meanAndMax: [state["mean"], state["max"]]
            }
        let row = Tensor.concatenated(numbers.compactMap { $0 }, dimension: 1).flattened(from: 0)
        guard row.count == part.width, row.isFinite().all().item() == 1 else {
            throw UserError("the diffusion model's features of an image are not finite; take another block, or float32")
        }
        return row
    }

    private func counting<Result>(_ work: (inout Ledger) throws -> Result) rethrows -> Result {
        if let ledger { return try ledger.counting(work) }
        var own = Ledger()
        return try work(&own)
    }
}
