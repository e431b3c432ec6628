import Foundations
import Torch

/// Which parameters of a run are averaged into one model, beside the checkpoints that are selected.
///
/// The average changes nothing in the run itself: its parameters, rows and checkpoints are those of a run without one.
public struct AveragingSettings: Hyperparameters, Equatable {
    /// How parameters are averaged.
    public enum Method: String, SettingChoice {
        /// No second model is made.
        case none
        /// Stochastic weight averaging densely (Cha and others, NeurIPS 2021): every step of the valley of the validation
        /// loss. See ``LossValley``.
        case swad
        /// Stochastic weight averaging (Izmailov and others, UAI 2018): every step from ``AveragingSettings/start`` on.
        case swa
        /// An exponential moving average (Polyak and Juditsky 1992; diffusers' warm-up of the decay).
        case ema
    }

    /// How parameters are averaged; not at all by default.
    public var method = Method.none
    /// SWAD: steps between two looks at the sources' validation loss; 0 takes the run's `evaluateEvery`. The published
    /// runs look 50 times.
    public var evaluateEvery = 0
    /// SWAD: the valley begins where this many looks bring no lower loss (N_s).
    public var convergence = 3
    /// SWAD: the valley ends where this many looks are all above the threshold (N_e).
    public var tolerance = 6
    /// SWAD: the threshold is the mean loss at the valley's beginning times 1 + this (r; published: 0.3, VLCS 0.2).
    public var ratio = 0.3
    /// SWA: share of the run's steps after which averaging begins.
    public var start = 0.5
    /// EMA: the weight of the old average.
    public var decay = 0.999
    /// Training steps, the run's last, over which the averaged model's batch-norm statistics are computed anew; none where
    /// batch norm is frozen.
    public var batchNormBatches = 500

    /// No average; SWAD's published settings, should it be chosen.
    public init() {}

    /// An average of this kind with the other settings at their defaults.
    public init(_ method: Method) {
        self.method = method
    }

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("method", \.method, "a second model, averaged over the run's steps"),
        Setting(
            "evaluateEvery", \.evaluateEvery,
            "SWAD: steps between two looks at the validation loss; 0 takes the run's evaluateEvery",
            .within(0...largestCount)),
        // As many sets of parameters are kept.
        Setting(
            "convergence", \.convergence, "SWAD: looks without a lower loss before the valley begins",
            .within(1...1000)),
        Setting(
            "tolerance", \.tolerance, "SWAD: looks above the threshold before the valley ends", .within(1...1000)),
        Setting(
            "ratio", \.ratio,
            "SWAD: how far the threshold lies above the loss where the valley begins, as a share of it",
            .atLeast(0)),
        Setting("start", \.start, "SWA: share of the run's steps after which averaging begins", .within(0..<1)),
        Setting("decay", \.decay, "EMA: weight of the old average", .within(0..<1)),
        Setting(
            "batchNormBatches", \.batchNormBatches,
            "steps, the run's last, over which the average's batch-norm statistics are computed anew",
            .within(0...largestCount)),
    ]

    /// The average that the settings ask for; nil for none.
    /// - Parameters:
    ///   - parameters: the classifier's, in a fixed order.
    ///   - steps: of the whole run.
    public func makeAverage(of parameters: [Tensor], steps: Int) -> (any WeightAverage)? {
        switch method {
        case .none: nil
        case .swad:
            LossValley(parameters, convergence: convergence, tolerance: tolerance, ratio: ratio)
        case .swa: StochasticWeightAverage(parameters, from: Int((start * Double(steps)).rounded(.up)))
        case .ema: ExponentialAverage(parameters, decay: decay)
        }
    }
}
