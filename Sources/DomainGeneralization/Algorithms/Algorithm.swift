import Torch

/// A way to train a classifier on several source environments for one that is never seen.
///
///     final class ERM: Algorithm {
///         func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
///             let loss = crossEntropy(classifier(minibatches.images), minibatches.labels)
///             return [Metric("loss", try training.minimise(loss, step: step))]
///         }
///         func predict(_ images: Tensor) -> Tensor { classifier(images) }
///     }
///
/// An algorithm draws no random numbers but those that are a function of the seed and the step, so that a run that was
/// killed goes on to the same numbers.
public protocol Algorithm: AnyObject {
    /// The classifier's parameters and buffers: what a checkpoint keeps as the model, and what `predict` uses.
    var store: ParameterStore { get }

    /// One optimisation step over one minibatch of each source environment; returns the scalars to log.
    /// - Throws: a one-line error, when the loss is no longer finite.
    func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric]

    /// Logits [N, classes] for normalised images [N, 3, H, W].
    func predict(_ images: Tensor) -> Tensor

    /// Everything else that the next step depends on: the optimiser's state, a synthetic set.
    var state: AlgorithmState { get }

    /// Takes up a saved state; the model has been restored before.
    /// - Parameter name: what errors call it, its path.
    func load(_ state: AlgorithmState, name: String) throws
}

/// What an algorithm keeps between steps beside its model.
public struct AlgorithmState: Sendable {
    /// Saved beside the model as safetensors.
    public var tensors: StateDict
    /// Saved in the checkpoint's `state.json`.
    public var json: [String: JSONValue]

    public init(tensors: StateDict = StateDict(), json: [String: JSONValue] = [:]) {
        self.tensors = tensors
        self.json = json
    }
}
