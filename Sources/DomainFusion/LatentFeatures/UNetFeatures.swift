import Diffusion
import Foundations
import Pixels
import Torch

/// Pooled maps of a frozen U-Net's blocks, of an image noised to several time steps, under the empty prompt.
struct UNetFeatures: FeatureNetwork {
    private let denoiser: FrozenDenoiser
    private let unet: UNet2DConditionModel
    private let block: UNetBlock
    private let times: [Int]
    private let seed: Int
    private let parts: [String: JSONValue]

    /// - Parameters:
    ///   - block: whose maps ``features(_:hash:ledger:)`` pools.
    ///   - isRandom: whether fresh weights, drawn by the seed, take the place of the model's.
    /// - Throws: `UserError` for a block or a time that the model does not have.
    init(
        _ model: LatentDiffusionModel, fingerprint: String, block: UNetBlock, times: [Int], seed: Int, isRandom: Bool
    ) throws {
        denoiser = FrozenDenoiser(model)
        unet = isRandom ? try Self.random(like: model.unet, seed: seed) : model.unet
        let (blocks, total) = (unet.blocks, denoiser.timeSteps)
        guard blocks.contains(block) else {
            throw UserError(
                "block: \(model.path) has no block \(block); it has \(blocks.map(\.description).joined(separator: ", "))"
            )
        }
        if let late = times.first(where: { $0 >= total }) {
            throw UserError("times: \(late) is not below \(total), the number of the model's time steps")
        }
        (self.block, self.times, self.seed) = (block, times, seed)
        var parts: [String: JSONValue] = [
            "ldm": .string(fingerprint), "times": .array(times.map(JSONValue.int)), "seed": .int(seed), "version": 1,
        ]
        if isRandom { parts["weights"] = "random" }
        self.parts = parts
    }

    private static func random(like unet: UNet2DConditionModel, seed: Int) throws -> UNet2DConditionModel {
        let store = ParameterStore(seed: UInt64(bitPattern: Int64(seed)), device: unet.store.device)
        let made = try withTorchErrors { UNet2DConditionModel(store, unet.config) }
        store.setRequiresGrad(false)
        return made
    }

    /// Channels of the block's maps.
    var channels: Int { unet.channels(of: block) }

    var identity: [String: JSONValue] { identity(of: block) }

    private func identity(of block: UNetBlock) -> [String: JSONValue] {
        parts.merging(["block": .string("\(block)")]) { $1 }
    }

    func features(_ image: RGBImage, hash: String, ledger: inout Ledger) throws -> StateDict {
        try features(of: [block], image, hash: hash, ledger: &ledger)[block] ?? StateDict()
    }

    /// The features of several blocks, by one pass.
    func features(
        of blocks: Set<UNetBlock>, _ image: RGBImage, hash: String, ledger: inout Ledger
    ) throws -> [UNetBlock: StateDict] {
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
                    of: blocks, noisy.contiguous(.channelsLast), timesteps: draw.times,
                    context: model.embed([""]).expanded([count, -1, -1]))
                return maps.mapValues { maps in
                    let maps = maps.to(dtype: .float32)
                    var state = StateDict()
                    state["mean"] = maps.mean([2, 3]).to(device: .cpu)
                    state["max"] = maps.max([2, 3]).to(device: .cpu)
                    return state
                }
            }
        }
    }

    /// Works out what the store does not have of several blocks, by one pass.
    func prepare(_ blocks: [UNetBlock], of image: RGBImage, store: ContentStore, ledger: inout Ledger) throws {
        let hash = SHA256Sum.of(image)
        func key(_ block: UNetBlock) -> StoreKey {
            StoreKey(.features, identity(of: block).merging(["image": .string(hash)]) { $1 })
        }
        let missing = blocks.filter { store.tensors(for: key($0)) == nil }
        guard !missing.isEmpty else { return }
        let found = try ledger.time("features") {
            try features(of: Set(missing), image, hash: hash, ledger: &$0)
        }
        for block in missing {
            if let state = found[block] { try store.put(state, for: key(block), ledger: &ledger) }
        }
    }
}
