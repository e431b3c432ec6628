import Foundations
import Torch

/// Which parameters of a run are averaged into one model, beside the checkpoints that are selected.
///
/// The average changes nothing in the run itself: its parameters, rows and checkpoints are those of a run without one.
public struct AveragingSettings: Codable, Sendable, Equatable {
    public enum Method: String, SettingChoice {
        case none
        /// Stochastic weight averaging densely (Cha and others, NeurIPS 2021): every step of the valley of the validation
        /// loss. See ``LossValley``.
        case swad
        /// Stochastic weight averaging (Izmailov and others, UAI 2018): every step from ``AveragingSettings/start`` on.
        case swa
        /// An exponential moving average (Polyak and Juditsky 1992; diffusers' warm-up of the decay).
        case ema
    }

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

    public init(_ method: Method = .none) {
        self.method = method
    }

    /// - Throws: ``UserError`` naming a value that is out of range.
    public func validate(path: String) throws {
        func check(_ isRight: Bool, _ message: @autoclosure () -> String) throws {
            if !isRight { throw UserError("\(path).\(message())") }
        }
        try check(
            (0...largestCount).contains(evaluateEvery), "evaluateEvery: \(evaluateEvery) is not in 0…\(largestCount)")
        // As many sets of parameters are kept.
        try check((1...1000).contains(convergence), "convergence: \(convergence) is not in 1…1000")
        try check((1...1000).contains(tolerance), "tolerance: \(tolerance) is not in 1…1000")
        try check(ratio >= 0 && ratio.isFinite, "ratio: \(ratio) is below 0")
        try check((0..<1).contains(start), "start: \(start) is not in 0..<1")
        try check((0..<1).contains(decay), "decay: \(decay) is not in 0..<1")
        try check(
            (0...largestCount).contains(batchNormBatches),
            "batchNormBatches: \(batchNormBatches) is not in 0…\(largestCount)")
    }

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
