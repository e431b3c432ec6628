import Backbones
import Foundation
import Torch

/// Mutual information regularisation with an oracle (MIRO; Cha and others, ECCV 2022): the features z of every level stay near
/// those z₀ of the pretrained network, `L = CE + λ · Σ_levels ½ · mean of ((z − z₀)²/σ² + log σ²)`, with a learnt variance for
/// each channel, `σ² = softplus(b) + ε`.
public final class MIRO: Algorithm {
    /// The settings of ``MIRO``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// λ: weight of the distance from the pretrained features.
        public var penaltyWeight = 0.1
        /// Factor on the learning rate of the variances.
        public var rateScale = 10.0

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "penaltyWeight", \.penaltyWeight, "weight of the distance from the pretrained features", .atLeast(0),
                search: .choice([0.001, 0.01, 0.1, 1]), domainBed: "ld"),
            Setting("rateScale", \.rateScale, "factor on the learning rate of the variances", .above(0)),
        ]
    }

    /// How ``MIRO`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "MIRO", "The features of all levels stay near those of the pretrained network (Cha and others 2022).",
        paper: "https://arxiv.org/abs/2203.10789", Settings.self
    ) { try MIRO($0, context: $1) }

    private static let epsilon = 1e-5

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    /// Several processes can train it together.
    public let whyOneProcess: String? = nil
    /// The classifier as it was, which does not change.
    private let oracle: Classifier
    private let store: ParameterStore
    /// b of each level, [1, C, 1, 1]; [1, 1, C] for a transformer's tokens.
    private let variances: [Tensor]
    private let settings: Settings

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        oracle = try context.makeClassifier()
        oracle.store.setRequiresGrad(false)
        self.settings = settings
        let store = ParameterStore(seed: 0, device: context.device)
        // softplus(b) + ε is 0.1 at first.
        let start = log(exp(0.1 - Self.epsilon) - 1)
        variances = oracle.levelShapes(imageSize: context.imageSize).enumerated().map { level, shape in
            let isMap = shape.count == 4
            return (store.root / "variance").parameter(
                String(level), isMap ? [1, shape[1], 1, 1] : [1, 1, shape[2]], .constant(start))
        }
        self.store = store
        training = TrainingStep(
            groups: classifier.parameterGroups + [ParameterGroup(store.parameters, rateScale: settings.rateScale)],
            settings: context.optimizer)
    }

    /// One step along the cross-entropy and the distances of all levels; logs `loss` and `reg_loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let inputs = minibatches.inputs
        let wanted = levels(oracle, inputs, recording: false).levels
        let (features, maps) = levels(classifier, inputs, recording: true)
        let logits = classifier.logits(features)
        let loss = crossEntropy(logits, minibatches.labels)
        let distances = zip(zip(maps, wanted), variances).map { pair, b in
            let variance = b.softplus() + Self.epsilon
            return ((pair.0 - pair.1).squared() / variance + variance.log()).mean() / 2
        }
        let penalty = distances.total
        let value = try training.minimise(loss + settings.penaltyWeight * penalty, logits: logits, step: step)
        return [Metric("loss", value), Metric("reg_loss", penalty.item())]
    }

    private func levels(
        _ network: Classifier, _ inputs: ClassifierInput, recording: Bool
    ) -> (features: Tensor, levels: [Tensor]) {
        var levels: [Tensor] = []
        func run() -> Tensor {
            network.features(inputs) { _, maps in
                levels.append(maps)
                return maps
            }
        }
        let features = recording ? run() : noGrad(run)
        return (features, levels)
    }

    /// The optimiser's state and the learnt variances.
    public var state: AlgorithmState { training.state.adding("variances", store.state) }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        try store.load(state.part("variances"), name: name)
    }
}
