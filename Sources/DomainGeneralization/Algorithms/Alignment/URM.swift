import Backbones
import Foundations
import Pixels
import Torch

/// Uniform risk minimisation (Krishnamachari and others, TMLR 2024): features are to be distributed evenly, u(φ(x)) as noise
/// from U(−1, 1) or U(0, 1). A discriminator D with `L_D = BCE(D(noise), 1) + λ·BCE(D(u(φ(x))), 0)` tells them apart, and the
/// classifier minimises `L = CE(h(u(φ(x))), y) + λ·BCE(D(u(φ(x))), 1)`, where u is the activation of the setting `output`.
///
/// D is a network with layers of 100 and leaky rectifiers; its step comes after the classifier's, with the features before it.
/// DomainBed's smoothed labels, whose amount it always draws as 0, are left out.
public final class URM: RandomizedAlgorithm {
    /// The settings of ``URM``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// The activation of the features, and with it the noise that they are compared with.
        public enum Output: String, SettingChoice {
            /// −1…1, noise from U(−1, 1).
            case tanh
            /// 0 and above, noise from U(0, 1).
            case relu
            /// 0…1, noise from U(0, 1).
            case sigmoid

            func callAsFunction(_ features: Tensor) -> Tensor {
                switch self {
                case .tanh: features.tanh()
                case .relu: features.relu()
                case .sigmoid: features.sigmoid()
                }
            }
        }

        /// λ: weight of the adversarial loss.
        public var penaltyWeight = 0.1
        /// The activation of the features.
        public var output = Output.tanh
        /// Hidden layers of the discriminator beside its first.
        public var hiddenLayers = 1
        /// The discriminator's learning rate; 0 takes the run's.
        public var discriminatorLearningRate = 0.0

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "penaltyWeight", \.penaltyWeight, "weight of the adversarial loss", .atLeast(0),
                search: .uniform(0, 0.2), domainBed: "urm_adv_lambda"),
            Setting(
                "output", \.output, "activation of the features, which gives the range of the noise",
                search: .choice(["tanh", "relu"].map(JSONValue.string)), domainBed: "urm_generator_output"),
            Setting(
                "hiddenLayers", \.hiddenLayers, "hidden layers of the discriminator beside its first", .within(0...16),
                search: .choice([1, 2, 3]), domainBed: "urm_discriminator_hidden_layers"),
            Setting(
                "discriminatorLearningRate", \.discriminatorLearningRate,
                "the discriminator's learning rate; 0 takes the run's", .atLeast(0), search: .power(10, -6, -4.5),
                domainBed: "urm_discriminator_lr", default: 5e-5
            ).on(.smallImages, .power(10, -5.5, -3.5), default: 1e-3),
        ]
    }

    /// How ``URM`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "URM", "Features that a discriminator cannot tell from even noise (Krishnamachari and others 2024).",
        paper: "https://openreview.net/forum?id=PgLbS5yp8n", Settings.self,
        predictor: { settings, classifier, _ in { classifier.logits(settings.output(classifier.features($0))) } }
    ) { try URM($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: Settings
    private let network: Perceptron
    private let discriminator: LearnedPart
    private let draws: StepDraws

    /// Builds classifier and discriminator for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        draws = StepDraws(context, "URM")
        let store = ParameterStore(
            seed: UInt64(seedHash(.int(context.seed), "discriminator")), device: context.device)
        let hidden = [Int](repeating: 100, count: 1 + settings.hiddenLayers)
        network = Perceptron(store.root / "layers", widths: [classifier.featureCount] + hidden + [1])
        var optimizer = context.optimizer
        if settings.discriminatorLearningRate > 0 { optimizer.learningRate = settings.discriminatorLearningRate }
        discriminator = LearnedPart(store, optimizer: optimizer)
    }

    /// The seed of the step's noise.
    public func draw(for minibatches: [Minibatch], step: Int) -> UInt64 {
        var generator = draws.generator(step: step)
        return generator.next()
    }

    /// One step of the classifier along both losses, then one of the discriminator; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ seed: UInt64, step: Int) throws -> [Metric] {
        let features = settings.output(classifier.features(minibatches.inputs))
        let logits = classifier.logits(features)
        let adversary = error(features, isNoise: true)
        let loss = crossEntropy(logits, minibatches.labels) + settings.penaltyWeight * adversary
        let value = try training.minimise(loss, logits: logits, step: step)
        let even = Tensor.rand(features.shape, generator: Generator(seed: seed, device: features.device))
        let noise = settings.output == .tanh ? 2 * even - 1 : even
        let told = error(noise, isNoise: true) + settings.penaltyWeight * error(features.detached(), isNoise: false)
        try discriminator.training.minimise(told, step: step)
        return [Metric("loss", value)]
    }

    /// The discriminator's binary cross-entropy, a scalar.
    private func error(_ features: Tensor, isNoise: Bool) -> Tensor {
        let logits = network(features) { Tensor.maximum($0, 0.01 * $0) }
        return (isNoise ? -1 * logits : logits).softplus().mean()
    }

    /// Logits [N, classes] of normalised images, from their features after the activation.
    public func predict(_ input: ClassifierInput) -> Tensor {
        classifier.logits(settings.output(classifier.features(input)))
    }

    /// The optimiser's state and the discriminator with its own.
    public var state: AlgorithmState { training.state.adding("discriminator", discriminator) }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        try discriminator.load("discriminator", of: state, name: name)
    }
}
