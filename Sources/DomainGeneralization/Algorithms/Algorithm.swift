import Backbones
import Foundations
import Torch

/// A way to train a classifier on several source environments for one that is never seen.
///
///     final class ERM: Algorithm {
///         let classifier: Classifier
///         let training: TrainingStep
///
///         func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
///             let loss = crossEntropy(classifier(minibatches.inputs), minibatches.labels)
///             return [Metric("loss", try training.minimise(loss, step: step))]
///         }
///     }
///
/// An algorithm draws no random numbers but those that are a function of the seed and the step, so that a run that was
/// killed goes on to the same numbers.
public protocol Algorithm: AnyObject {
    /// What is trained: its parameters and buffers are what a checkpoint keeps as the model.
    ///
    /// The trainer seeds its generator anew at every step, and switches it between training and evaluation.
    var classifier: Classifier { get }

    /// The common part of an update; its optimiser's state is what a checkpoint keeps beside the model.
    var training: TrainingStep { get }

    /// One optimisation step over one minibatch of each source environment; returns the scalars to log.
    ///
    /// The classifier's parameters are moved by ``training``, or put back. What moves them otherwise must not while `training` is
    /// held (``TrainingStep/isHeld``): an averaged model's batch-norm statistics come from such steps.
    /// - Throws: ``NonFiniteError``, when the loss is no longer finite; `Interruption`, but only before anything has
    ///   changed.
    func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric]

    /// Why several processes cannot train it together, each on its share of a step's images (`ProcessGroup`); nil where they can:
    /// where the loss is a mean over images. By default it is taken for another.
    var whyOneProcess: String? { get }

    /// Logits [N, classes] for N normalised images. By default the classifier's.
    func predict(_ input: ClassifierInput) -> Tensor

    /// Everything beside the model that the next step depends on. By default the optimiser's state.
    var state: AlgorithmState { get }

    /// Takes up a saved state; the model has been restored before.
    /// - Parameter name: what errors call it, its path.
    func load(_ state: AlgorithmState, name: String) throws
}

extension Algorithm {
    /// The images of a step are asked for all together.
    public var whyOneProcess: String? { "its loss compares the images of a step with each other" }
    /// The classifier's logits [N, classes] for N normalised images.
    public func predict(_ input: ClassifierInput) -> Tensor { classifier(input) }
    /// The optimiser's state alone.
    public var state: AlgorithmState { training.state }
    /// Takes up the optimiser's state alone.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when it belongs to another model.
    public func load(_ state: AlgorithmState, name: String) throws { try training.load(state, name: name) }
}

/// What an algorithm keeps between steps beside its model.
public struct AlgorithmState: Sendable {
    /// Saved beside the model as safetensors.
    public var tensors: StateDict
    /// Saved in the checkpoint's `state.json`.
    public var json: [String: JSONValue]

    /// A state of tensors and of values that JSON holds; none by default.
    public init(tensors: StateDict = StateDict(), json: [String: JSONValue] = [:]) {
        self.tensors = tensors
        self.json = json
    }

    /// This state and tensors that are saved as `part.NAME`.
    public func adding(_ part: String, _ more: StateDict) -> AlgorithmState {
        var result = self
        for name in more.names { result.tensors["\(part).\(name)"] = more[name] }
        return result
    }

    /// The tensors that were added as `part`.
    public func part(_ part: String) -> StateDict {
        tensors.renamed { $0.hasPrefix(part + ".") ? String($0.dropFirst(part.count + 1)) : nil }
    }
}
