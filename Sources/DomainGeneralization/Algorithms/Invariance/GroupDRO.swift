import Backbones
import Foundations
import Torch

/// Group distributionally robust optimisation (Sagawa and others, ICLR 2020): `L = Σ_e q_e·CE_e`, where the weights of the
/// domains follow their losses, `q_e ← q_e·exp(η·CE_e) / Σ`.
public final class GroupDRO: Algorithm {
    /// The settings of ``GroupDRO``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// Step size of the domains' weights.
        public var eta = 0.01

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "eta", \.eta, "step size of the domains' weights", .atLeast(0), search: .power(10, -3, -1),
                domainBed: "groupdro_eta")
        ]
    }

    /// How ``GroupDRO`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "GroupDRO", "Source domains weigh the more, the larger their loss is (Sagawa and others 2020).",
        paper: "https://arxiv.org/abs/1911.08731", Settings.self
    ) { try GroupDRO($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: Settings
    /// The domains' weights.
    private var weights: Tensor

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        weights = .ones([context.trainingEnvironments.count], device: context.device)
    }

    /// Raises the weights of environments with large losses, then steps along the weighted sum; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let logits = minibatches.map { classifier($0.inputs) }
        let losses = Tensor.stacked(zip(logits, minibatches).map { crossEntropy($0, $1.labels) })
        let raised = noGrad { weights * (settings.eta * losses.detached()).exp() }
        let new = noGrad { raised / raised.sum() }
        let value = try training.minimise((losses * new).sum(), logits: .concatenated(logits), step: step)
        weights = new
        return [Metric("loss", value)]
    }

    /// The optimiser's state and the environments' weights.
    public var state: AlgorithmState {
        var state = training.state
        state.tensors["weights"] = weights
        return state
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        guard let saved = state.tensors["weights"], saved.shape == weights.shape else {
            throw UserError("\(name) has no weights for \(weights.count) source domains")
        }
        weights = saved.to(device: weights.device).cloned()
    }
}
