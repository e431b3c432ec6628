import Foundations
import Torch

/// Averages parameters over the steps of a run.
public protocol WeightAverage: AnyObject {
    /// Takes up the parameters after an optimisation step.
    func update(step: Int)

    /// Ends a stretch of steps with the validation loss of the parameters as they are.
    /// - Parameters:
    ///   - loss: the mean over the source environments of the cross-entropy on their validation items.
    ///   - step: the last optimisation step before.
    func validated(loss: Double, step: Int)

    /// The averaged parameters. Changes nothing.
    func result() -> AveragedWeights

    /// Everything that the result depends on beside the parameters.
    var state: AlgorithmState { get }

    /// Takes up a saved state.
    /// - Parameter name: what errors call it, its path.
    func load(_ state: AlgorithmState, name: String) throws
}

/// Parameters averaged over some steps.
public struct AveragedWeights {
    /// The averaged values in the parameters' order.
    public let weights: [Tensor]
    /// The steps that are in the average; nil where the method does not say.
    public let steps: ClosedRange<Int>?
    /// What the user should know: that a valley was not found.
    public let warning: String?

    /// Averaged parameters, with what is to be said of them.
    public init(weights: [Tensor], steps: ClosedRange<Int>?, warning: String? = nil) {
        self.weights = weights
        self.steps = steps
        self.warning = warning
    }
}

/// The mean of parameters that are added one set after another.
struct WeightMean {
    private(set) var weights: [Tensor]
    private(set) var count = 0
    /// Of the first set that was added.
    private(set) var start: Int?
    /// Of the last set that was added.
    private(set) var end: Int?

    /// - Parameter weights: what the mean is before anything is added; the first set takes its place.
    init(_ weights: [Tensor]) {
        self.weights = weights
    }

    /// `mean += (weights − mean) / (count + 1)`.
    mutating func add(_ new: [Tensor], start: Int, end: Int) {
        if count == 0 {
            weights = ordinaryMode { new.map { $0.detached().cloned() } }
            self.start = start
        } else {
            ordinaryMode {
                for (mean, value) in zip(weights, new) { mean.add_((value.detached() - mean) / Double(count + 1)) }
            }
        }
        count += 1
        self.end = end
    }

    /// The same mean with memory of its own.
    func copied() -> WeightMean {
        var copy = self
        copy.weights = ordinaryMode { weights.map { $0.cloned() } }
        return copy
    }

    /// A mean as it was saved; see ``save(in:as:)``.
    /// - Throws: `UserError` when tensors are missing or differ in shape from `parameters`.
    init(_ state: AlgorithmState, _ key: String, parameters: [Tensor], name: String) throws {
        weights = try parameters.enumerated().map { index, parameter in
            guard let found = state.tensors["average.\(key).\(index)"], found.shape == parameter.shape else {
                throw UserError(
                    "\(name) is not the state of this average: average.\(key).\(index) is missing or differs")
            }
            return ordinaryMode { found.to(device: parameter.device).cloned() }
        }
        let saved = state.json["average.\(key)"]
        count = saved?["count"]?.int ?? 0
        start = saved?["start"]?.int
        end = saved?["end"]?.int
    }

    func save(in state: inout AlgorithmState, as key: String) {
        for (index, tensor) in weights.enumerated() { state.tensors["average.\(key).\(index)"] = tensor }
        var json: [String: JSONValue] = ["count": .int(count)]
        json["start"] = start.map(JSONValue.int)
        json["end"] = end.map(JSONValue.int)
        state.json["average.\(key)"] = .object(json)
    }
}

/// Stochastic weight averaging (Izmailov and others, UAI 2018): the mean of the parameters after every step from one on.
public final class StochasticWeightAverage: WeightAverage {
    private let parameters: [Tensor]
    private let first: Int
    private var mean: WeightMean

    /// An average of the parameters after each step of the run's later part.
    /// - Parameter first: the first step whose parameters are averaged, counted from 0.
    public init(_ parameters: [Tensor], from first: Int) {
        self.parameters = parameters
        self.first = first
        mean = WeightMean(parameters)
    }

    /// Takes up the parameters as they are after a step.
    public func update(step: Int) {
        if step >= first { mean.add(parameters, start: step, end: step) }
    }

    /// Takes no notice: this average does not depend on the validation loss.
    public func validated(loss: Double, step: Int) {}

    /// The mean of the parameters so far; as they are where none was added.
    public func result() -> AveragedWeights {
        AveragedWeights(weights: mean.weights, steps: mean.start.flatMap { start in mean.end.map { start...$0 } })
    }

    /// The mean so far and the steps in it.
    public var state: AlgorithmState {
        var state = AlgorithmState()
        if mean.count > 0 { mean.save(in: &state, as: "mean") }
        return state
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        guard state.json["average.mean"] != nil else { return }
        mean = try WeightMean(state, "mean", parameters: parameters, name: name)
    }
}

/// An exponential moving average: `average += (1 − decay) · (parameter − average)`, with a decay of at most
/// (1 + step) / (10 + step), so that the first steps are soon forgotten.
public final class ExponentialAverage: WeightAverage {
    private let average: ParameterAverage

    /// An average that begins at the parameters' present values.
    /// - Parameter decay: the most that it keeps of itself in a step, 0…1.
    public init(_ parameters: [Tensor], decay: Double) {
        average = ParameterAverage(parameters, decay: decay)
    }

    /// Takes up the parameters as they are after a step.
    public func update(step: Int) { average.update(step: step) }

    /// Takes no notice: this average does not depend on the validation loss.
    public func validated(loss: Double, step: Int) {}

    /// The average as it is now.
    public func result() -> AveragedWeights { AveragedWeights(weights: average.averages, steps: nil) }

    /// The average as it is now, for a checkpoint.
    public var state: AlgorithmState {
        var state = AlgorithmState()
        for (index, tensor) in average.averages.enumerated() { state.tensors["average.ema.\(index)"] = tensor }
        return state
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        let saved = try WeightMean(state, "ema", parameters: average.averages, name: name)
        noGrad { for (tensor, value) in zip(average.averages, saved.weights) { tensor.copy_(value) } }
    }
}
