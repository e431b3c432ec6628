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
    let fingerprint: String
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
        try ImageErrors(self, image).table(prompts, 0..<draws, ledger: &ledger)
    }

    /// The class of an image, where those that do badly are dropped early and not asked about any more.
    /// - Parameters:
    ///   - prompts: one for each class.
    ///   - weights: of the time steps.
    ///   - ledger: counts the work that is done.
    /// - Throws: `UserError` for errors that are not finite; what the store throws.
    public func outcome(
        _ image: RGBImage, prompts: [String], metric: ErrorTable.Metric, weights: TimeWeights, elimination: Elimination,
        ledger: inout Ledger
    ) throws -> Elimination.Outcome {
        let errors = ImageErrors(self, image)
        return try elimination.outcome(classes: prompts.count, draws: draws) { classes, draws in
            let table = try errors.table(classes.map { prompts[$0] }, draws, ledger: &ledger)
            let factors = table.times.map(weights.weight)
            return table.errors(metric).map { row in zip(row, factors).map { Double($0) * $1 } }
        }
    }

    /// One image, whose latents are made once and only where they are needed.
    private final class ImageErrors {
        private let owner: DiffusionClassifier
        private let image: RGBImage
        private let hash: String
        private var prepared: (noisy: Tensor, draw: NoiseDraw)?

        init(_ owner: DiffusionClassifier, _ image: RGBImage) {
            (self.owner, self.image) = (owner, image)
            hash = SHA256Sum.of(image)
        }

        /// The errors under some prompts at some of the draws.
        func table(_ prompts: [String], _ draws: Range<Int>, ledger: inout Ledger) throws -> ErrorTable {
            var parts: [String: JSONValue] = [
                "table": true, "ldm": .string(owner.fingerprint), "image": .string(hash),
                "prompts": .array(prompts.map(JSONValue.string)), "draws": .int(owner.draws), "seed": .int(owner.seed),
                "version": 1,
            ]
            if draws != 0..<owner.draws { parts["part"] = [.int(draws.lowerBound), .int(draws.upperBound)] }
            let state = try owner.store.tensors(for: StoreKey(.posterior, parts), ledger: &ledger) { ledger in
                try ledger.time("posteriors") { ledger in
                    ledger.unetEvaluations += prompts.count * draws.count
                    if prepared == nil { ledger.vaePasses += 1 }
                    return try withTorchErrors { inferenceMode { errors(prompts, draws) } }
                }
            }
            func rows(_ name: String) -> [[Float]] {
                let values: [Float] = state[name]?.scalars() ?? []
                return prompts.indices.map { Array(values[($0 * draws.count)..<(($0 + 1) * draws.count)]) }
            }
            let table = ErrorTable(times: state["times"]?.scalars() ?? [], l1: rows("l1"), l2: rows("l2"))
            guard table.l2.joined().allSatisfy(\.isFinite) else {
                throw UserError("the diffusion model's errors are not finite; take float32")
            }
            return table
        }

        /// All draws of times and noise, with the latents noised by them.
        private func noised() -> (noisy: Tensor, draw: NoiseDraw) {
            let (denoiser, count) = (owner.denoiser, owner.draws)
            let model = denoiser.model
            let latents = model.vae.encode((2 * image.modelInput(model) - 1).contiguous(.channelsLast))
            var settings = LatentDistillationSettings()
            settings.draws = count
            let seed = UInt64(SHA256Sum.of("\(hash) \(owner.seed)").prefix(16), radix: 16) ?? 0
            let sorted = NoiseDraw.stratified(
                count, for: denoiser, settings: settings, generator: Generator(seed: seed))
            let draw = sorted.selected(Tensor(DiffusionClassifier.scattered(count), device: model.device))
            return (denoiser.noised(latents.expanded([count, -1, -1, -1]), draw), draw)
        }

        private func errors(_ prompts: [String], _ draws: Range<Int>) -> StateDict {
            let (allNoisy, allDraws) = prepared ?? noised()
            prepared = (allNoisy, allDraws)
            let (noisy, draw) = (allNoisy[draws], allDraws.part(draws))
            let contexts = owner.denoiser.model.embed(prompts)
            var (l1, l2) = ([Tensor](), [Tensor]())
            for index in prompts.indices {
                let context = contexts[index].unsqueezed(0).expanded([draws.count, -1, -1])
                let difference =
                    owner.denoiser.predictedNoise(noisy, draw, context: context, guidanceScale: 1) - draw.noise
                l1.append(difference.abs().mean([1, 2, 3]))
                l2.append(difference.squared().mean([1, 2, 3]))
            }
            var state = StateDict()
            state["times"] = draw.times.to(device: .cpu)
            state["l1"] = Tensor.stacked(l1).to(device: .cpu, dtype: .float32)
            state["l2"] = Tensor.stacked(l2).to(device: .cpu, dtype: .float32)
            return state
        }
    }

    /// 0 … count − 1 in an order whose beginnings are spread evenly: the ranks of the golden ratio's multiples.
    static func scattered(_ count: Int) -> [Int] {
        let places = (0..<count).map { (Double($0) * 0.618_033_988_749_895).truncatingRemainder(dividingBy: 1) }
        var ranks = [Int](repeating: 0, count: count)
        for (rank, index) in places.indices.sorted(by: { places[$0] < places[$1] }).enumerated() { ranks[index] = rank }
        return ranks
    }
}
