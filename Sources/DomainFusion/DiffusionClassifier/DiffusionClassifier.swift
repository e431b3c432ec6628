import Diffusion
import DomainGeneralization
import Foundations
import Pixels
import Torch

/// A latent diffusion model as a classifier: the class under whose prompt it predicts the noise best (Li and others, ICCV 2023,
/// https://arxiv.org/abs/2303.16203).
///
/// Times are stratified over the schedule and asked for in a scattered order, so that the first few already cover it; times and noise
/// are the same for all classes, so that they are no part of what differs.
public final class DiffusionClassifier {
    /// Draws of time and noise for each class.
    public let draws: Int
    /// Number of time steps of the model's schedule.
    public var timeSteps: Int { denoiser.timeSteps }
    private let denoiser: FrozenDenoiser
    private let store: ContentStore
    private let fingerprint: String
    private let seed: Int

    /// A classifier of a model, whose error tables are kept in a store.
    /// - Throws: what reading the model's files for their hash throws.
    public init(_ model: LatentDiffusionModel, draws: Int, seed: Int = 0, store: ContentStore) throws {
        denoiser = FrozenDenoiser(model)
        fingerprint = try model.fingerprint()
        (self.draws, self.seed, self.store) = (draws, seed, store)
    }

    /// The errors of an image under prompts, one for each class.
    /// - Throws: `UserError` for errors that are not finite; what the store throws.
    public func table(_ image: RGBImage, prompts: [String], ledger: inout Ledger) throws -> ErrorTable {
        let hash = SHA256Sum.of(image)
        let key = StoreKey(
            .posterior,
            [
                "table": true, "ldm": .string(fingerprint), "image": .string(hash),
                "prompts": .array(prompts.map(JSONValue.string)), "draws": .int(draws), "seed": .int(seed),
                "version": 1,
            ])
        let state = try store.tensors(for: key) {
            try ledger.time("posteriors") { ledger in
                ledger.unetEvaluations += prompts.count * draws
                ledger.vaePasses += 1
                let seed = UInt64(SHA256Sum.of("\(hash) \(seed)").prefix(16), radix: 16) ?? 0
                return try withTorchErrors { inferenceMode { errors(image, prompts: prompts, seed: seed) } }
            }
        }
        func rows(_ name: String) -> [[Float]] {
            let values: [Float] = state[name]?.scalars() ?? []
            return prompts.indices.map { Array(values[($0 * draws)..<(($0 + 1) * draws)]) }
        }
        let table = ErrorTable(times: state["times"]?.scalars() ?? [], l1: rows("l1"), l2: rows("l2"))
        guard table.l2.joined().allSatisfy(\.isFinite) else {
            throw UserError("the diffusion model's errors are not finite; take float32")
        }
        return table
    }

    private func errors(_ image: RGBImage, prompts: [String], seed: UInt64) -> StateDict {
        let model = denoiser.model
        let latents = model.vae.encode((2 * image.modelInput(model) - 1).contiguous(.channelsLast))
        var settings = LatentDistillationSettings()
        settings.draws = draws
        let generator = Generator(seed: seed)
        let sorted = NoiseDraw.stratified(draws, for: denoiser, settings: settings, generator: generator)
        let order = Tensor(Self.scattered(draws), device: model.device)
        let draw = sorted.selected(order)
        let noisy = denoiser.noised(latents.expanded([draws, -1, -1, -1]), draw)
        let contexts = model.embed(prompts)
        var (l1, l2) = ([Tensor](), [Tensor]())
        for index in prompts.indices {
            let context = contexts[index].unsqueezed(0).expanded([draws, -1, -1])
            let difference =
                denoiser.predictedNoise(noisy, draw, context: context, guidanceScale: 1) - draw.noise
            l1.append(difference.abs().mean([1, 2, 3]))
            l2.append(difference.squared().mean([1, 2, 3]))
        }
        var state = StateDict()
        state["times"] = draw.times.to(device: .cpu)
        state["l1"] = Tensor.stacked(l1).to(device: .cpu, dtype: .float32)
        state["l2"] = Tensor.stacked(l2).to(device: .cpu, dtype: .float32)
        return state
    }

    /// 0 … count − 1 in an order whose beginnings are spread evenly: the ranks of the golden ratio's multiples.
    static func scattered(_ count: Int) -> [Int] {
        let places = (0..<count).map { (Double($0) * 0.618_033_988_749_895).truncatingRemainder(dividingBy: 1) }
        var ranks = [Int](repeating: 0, count: count)
        for (rank, index) in places.indices.sorted(by: { places[$0] < places[$1] }).enumerated() { ranks[index] = rank }
        return ranks
    }
}
