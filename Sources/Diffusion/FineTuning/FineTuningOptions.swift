import Foundations
import Torch

/// Hyperparameters of ``FineTuner``; the defaults are those of diffusers' training scripts for LoRA.
public struct FineTuningOptions: Sendable, Codable, Equatable {
    /// Updates of the weights.
    public var steps = 1000
    /// Images of one forward and backward pass.
    public var batchSize = 1
    /// Passes whose gradients make one update.
    public var accumulation = 1
    /// The learning rate after its warm-up, of AdamW.
    public var learningRate = 1e-4
    /// How the learning rate goes on after its warm-up.
    public var schedule = LearningRateSchedule.Shape.constant
    /// Updates over which the learning rate rises from 0.
    public var warmup = 0
    /// AdamW's decoupled weight decay.
    public var weightDecay = 1e-2
    /// The gradient's norm above which it is scaled down to this.
    public var maximumNorm = 1.0
    /// γ of the min-SNR weighting (Hang et al. 2023; 5 is usual), or 0 for none.
    public var minSNR = 0.0
    /// Share of captions that are empty: what classifier-free guidance needs (Ho & Salimans 2021).
    public var emptyCaptions = 0.1
    /// Decay of the moving average of the weights, which is then the result; 0 for none.
    public var averageDecay = 0.0
    /// r of low-rank adapters, or 0 to train the weights themselves.
    public var loraRank = 0
    /// α of the adapters, whose output is multiplied by α/r.
    public var loraAlpha = 0.0
    /// Whether the text encoder is trained, too.
    public var trainsTextEncoder = false
    /// Type of what is computed; weights that are trained stay in float32.
    public var precision = ModelPrecision.float32
    /// Whether layers are computed again for the gradient rather than kept: less memory, a third more time.
    public var recomputesLayers = false
    /// The seed of adapters, noise, time steps and left-out captions.
    public var seed: UInt64 = 0

    /// A thousand updates of the whole U-Net at a constant rate of 1e-4.
    public init() {}

    /// The type to load the model's weights in: frozen ones are kept in the type they are computed in.
    public var weightType: DType { loraRank > 0 ? precision.dtype : .float32 }

    /// Checks that every option is in its range.
    /// - Throws: `UserError` naming the first value that makes no sense.
    public func validate() throws {
        func require(_ condition: Bool, _ message: String) throws {
            if !condition { throw UserError("fine-tuning: \(message)") }
        }
        try require((1...largestCount).contains(steps), "\(steps) steps; choose 1 to \(largestCount)")
        try require((1...65_536).contains(batchSize), "a batch of \(batchSize) images; choose 1 to 65536")
        try require(
            (1...1_000_000).contains(accumulation),
            "gradients of \(accumulation) batches in a step; choose 1 to 1000000")
        try require(learningRate > 0 && learningRate.isFinite, "a learning rate of \(learningRate); choose one above 0")
        try require(warmup >= 0 && warmup <= steps, "a warm-up of \(warmup) of \(steps) steps; choose 0 to \(steps)")
        try require(weightDecay >= 0 && weightDecay.isFinite, "a weight decay of \(weightDecay); choose 0 or more")
        try require(
            maximumNorm > 0 && maximumNorm.isFinite, "a largest gradient norm of \(maximumNorm); choose one above 0")
        try require(minSNR >= 0 && minSNR.isFinite, "a min-SNR gamma of \(minSNR); choose 0 (none) or more")
        try require((0...1).contains(emptyCaptions), "a share of \(emptyCaptions) empty captions; choose 0 to 1")
        try require(
            averageDecay >= 0 && averageDecay < 1,
            "an averaging decay of \(averageDecay); choose 0 (none) up to below 1")
        try require((0...4096).contains(loraRank), "a LoRA rank of \(loraRank); choose 0 (none) to 4096")
        try require(
            loraRank == 0 || loraAlpha > 0 && loraAlpha.isFinite,
            "a LoRA alpha of \(loraAlpha); choose one above 0, such as the rank")
        try require(
            precision != .float16, "float16 is too narrow for gradients; choose bfloat16 or float32 as the precision")
    }

    var learningRates: LearningRateSchedule { LearningRateSchedule(schedule, steps: steps, warmup: warmup) }
}
