import Backbones
import Foundations
import Torch

/// Fishr (Rame and others, ICML 2022): the variances of the gradients over the images are matched across environments.
/// `L = CE + λ · mean over e of ‖v_e − mean v‖² / size`, where v_e is the variance, element by element, of the gradients of
/// the linear layer over the images of e: `(p − onehot(y)) ⊗ φ(x)` for its weight and `p − onehot(y)` for its bias.
/// v_e is a moving average (decay γ) divided by 1 − γ; λ is 0 in the first steps.
public final class Fishr: Algorithm {
    /// The settings of ``Fishr``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// λ: weight of the penalty after the first steps.
        public var penaltyWeight = 1000.0
        /// The first steps, in which the penalty does not count.
        public var annealSteps = 1500
        /// γ: decay of the moving average of the variances, 0…1.
        public var decay = 0.95

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "penaltyWeight", \.penaltyWeight, "weight of the penalty from step annealSteps on", .atLeast(0),
                search: .power(10, 1, 4), domainBed: "lambda"),
            Setting(
                "annealSteps", \.annealSteps, "steps without a penalty; Adam begins anew after them", .atLeast(0),
                search: .wholeUniform(0, 5000), domainBed: "penalty_anneal_iters", begins: "the penalty"),
            Setting(
                "decay", \.decay, "of the moving average of the variances", .within(0...0.9999),
                search: .uniform(0.9, 0.99), domainBed: "ema"),
        ]
    }

    /// How ``Fishr`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "Fishr", "The variances of the gradients are matched across the source domains (Rame and others 2022).",
        paper: "https://arxiv.org/abs/2109.02934", Settings.self
    ) { try Fishr($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: Settings
    private let penalty: AnnealedPenalty
    /// The moving average of each environment's variances: [environments, C·F + C].
    private var averages: Tensor

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        penalty = AnnealedPenalty(weight: settings.penaltyWeight, steps: settings.annealSteps, before: 0)
        let size = classifier.classCount * (classifier.featureCount + 1)
        averages = .zeros([context.trainingEnvironments.count, size], device: context.device)
    }

    /// One step along the cross-entropy and the weighted penalty; logs `loss`, `nll` and `penalty`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let labels = minibatches.labels
        let features = classifier.features(minibatches.inputs)
        let logits = classifier.logits(features)
        let errors = logits.softmax(1) - labels.oneHot(classifier.classCount).to(dtype: logits.dtype)
        let variances = zip(minibatches.split(features), minibatches.split(errors)).map(Self.variance)
        let new = settings.decay * averages + (1 - settings.decay) * Tensor.stacked(variances)
        let corrected = new / (1 - settings.decay)
        let distance = (corrected - corrected.mean([0], keepDimensions: true)).squared().mean()
        let loss = crossEntropy(logits, labels)
        penalty.prepare(training, step: step)
        let value = try training.minimise(loss + penalty.weight(at: step) * distance, logits: logits, step: step)
        averages = new.detached()
        return [Metric("loss", value), Metric("nll", loss.item()), Metric("penalty", distance.item())]
    }

    /// Biased variances of the gradients of weight and bias: [C·F + C].
    private static func variance(_ features: Tensor, _ errors: Tensor) -> Tensor {
        let weight = (errors.unsqueezed(2) * features.unsqueezed(1)).flattened(from: 1)
        let all = Tensor.concatenated([weight, errors], dimension: 1)
        return all.variance([0], correction: 0)
    }

    /// The optimiser's state and the moving averages of the variances.
    public var state: AlgorithmState {
        var state = training.state
        state.tensors["averages"] = averages
        return state
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        guard let saved = state.tensors["averages"], saved.shape == averages.shape else {
            throw UserError("\(name) has no averages of gradients of shape \(averages.shape)")
        }
        averages = saved.to(device: averages.device).cloned()
    }
}
