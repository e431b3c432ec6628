import Foundations
import Torch

/// Stochastic weight averaging densely (SWAD; Cha and others, NeurIPS 2021): the parameters of every step in the valley of
/// the validation loss are averaged.
///
/// A *segment* is the mean of the parameters after every step between two validations; its loss is that of the parameters
/// at its end. The valley begins with the oldest of the last N_s segments when none of the younger ones has a lower loss;
/// the threshold is their mean loss times 1 + r. It ends when all of the last N_e segments are above the threshold. The
/// result is the mean of the valley's segments, each with the same weight.
///
/// The details are those of the published code, which differs from the paper's pseudo-code: the first segment that is
/// added takes the place of the one with which the valley was found; at that moment only segments after the first one
/// under the threshold are added, out of the oldest N_e − N_s + 1; a valley that is alive at the end leaves its oldest
/// segment out. Unlike there, training goes on when a valley has ended.
public final class LossValley: WeightAverage {
    /// The parameters between two validations, averaged.
    private struct Segment {
        let mean: WeightMean
        let loss: Double

        var start: Int { mean.start ?? 0 }
        var end: Int { mean.end ?? 0 }
    }

    private let parameters: [Tensor]
    private let convergence: Int
    private let tolerance: Int
    private let ratio: Double
    private var segment: WeightMean
    /// The last max(N_s, N_e) segments, oldest first.
    private var recent: [Segment] = []
    private var valley: WeightMean?
    /// The last step of the segment with which the valley was found.
    public private(set) var convergedStep: Int?
    /// Losses above this lie outside the valley.
    public private(set) var threshold = 0.0
    /// Whether the valley has ended.
    public private(set) var isDead = false

    /// An average that looks for the valley, with SWAD's published settings by default.
    /// - Parameters:
    ///   - convergence: N_s.
    ///   - tolerance: N_e.
    ///   - ratio: r.
    public init(_ parameters: [Tensor], convergence: Int = 3, tolerance: Int = 6, ratio: Double = 0.3) {
        self.parameters = parameters
        self.convergence = convergence
        self.tolerance = tolerance
        self.ratio = ratio
        segment = WeightMean(parameters)
    }

    /// Adds the parameters, as they are after a step, to the segment.
    public func update(step: Int) {
        if !isDead { segment.add(parameters, start: step, end: step) }
    }

    /// Ends the segment with its loss, and looks whether the valley begins, goes on or ends.
    public func validated(loss: Double, step: Int) {
        guard !isDead else { return }
        recent.append(Segment(mean: segment, loss: loss))
        recent = Array(recent.suffix(max(convergence, tolerance)))
        segment = WeightMean(parameters)
        if let convergedStep {
            let smooth = recent.suffix(tolerance)
            guard let oldest = smooth.first, oldest.end >= convergedStep else { return }
            isDead = isAboveThreshold(smooth)
            if !isDead { extend(oldest) }
        } else {
            findValley()
        }
    }

    private func isAboveThreshold(_ segments: some Sequence<Segment>) -> Bool {
        segments.allSatisfy { $0.loss > threshold }
    }

    private func extend(_ new: Segment) {
        valley?.add(new.mean.weights, start: new.start, end: new.end)
    }

    private func findValley() {
        let window = Array(recent.suffix(convergence))
        guard window.count == convergence, window.dropFirst().allSatisfy({ $0.loss >= window[0].loss }) else { return }
        convergedStep = window[0].end
        threshold = window.reduce(0) { $0 + $1.loss } / Double(window.count) * (1 + ratio)
        valley = WeightMean(window[0].mean.weights)
        if tolerance < convergence {
            for new in window[1..<(1 + convergence - tolerance)] { extend(new) }
        } else if tolerance > convergence {
            let oldest = recent.suffix(tolerance).prefix(tolerance - convergence + 1)
            let outside = oldest.lastIndex { $0.loss > threshold }
            let first = outside.map { $0 + 1 } ?? oldest.startIndex
            for new in oldest[min(first + 1, oldest.endIndex)...] { extend(new) }
        }
    }

    /// The mean of the valley's segments; of the last ones, with a warning, where no valley was found.
    public func result() -> AveragedWeights {
        guard var valley = valley?.copied() else {
            let last = recent.last?.mean ?? segment
            return AveragedWeights(
                weights: last.weights, steps: Self.steps(last),
                warning:
                    "SWAD found no valley of the validation loss, and takes the last stretch of steps; train longer, "
                    + "or look at the loss more often (averaging.evaluateEvery)")
        }
        if !isDead {
            var rest = recent.suffix(tolerance).dropFirst()
            while let oldest = rest.first, !isAboveThreshold(rest) {
                valley.add(oldest.mean.weights, start: oldest.end, end: oldest.end)
                rest = rest.dropFirst()
            }
        }
        return AveragedWeights(weights: valley.weights, steps: Self.steps(valley))
    }

    private static func steps(_ mean: WeightMean) -> ClosedRange<Int>? {
        mean.start.flatMap { start in mean.end.map { start...$0 } }
    }

    /// The segments and the valley so far.
    public var state: AlgorithmState {
        var state = AlgorithmState()
        segment.save(in: &state, as: "segment")
        for (index, old) in recent.enumerated() { old.mean.save(in: &state, as: "recent.\(index)") }
        valley?.save(in: &state, as: "valley")
        var json: [String: JSONValue] = [
            "losses": .array(recent.map { .double($0.loss) }), "threshold": .double(threshold), "dead": .bool(isDead),
        ]
        json["converged"] = convergedStep.map(JSONValue.int)
        state.json["average"] = .object(json)
        return state
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        func mean(_ key: String) throws -> WeightMean {
            try WeightMean(state, key, parameters: parameters, name: name)
        }
        guard let saved = state.json["average"], let losses = saved["losses"]?.array else {
            throw UserError("\(name) is not the state of this average: it has no losses")
        }
        segment = try mean("segment")
        recent = try losses.enumerated().map { Segment(mean: try mean("recent.\($0)"), loss: $1.double ?? .nan) }
        valley = state.json["average.valley"] == nil ? nil : try mean("valley")
        threshold = saved["threshold"]?.double ?? 0
        isDead = saved["dead"] == .bool(true)
        convergedStep = saved["converged"]?.int
    }
}
