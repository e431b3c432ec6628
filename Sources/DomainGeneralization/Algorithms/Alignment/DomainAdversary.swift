import Backbones
import Torch

/// The settings of ``DANN`` and ``CDANN``.
public struct DomainAdversarySettings: Hyperparameters {
    /// λ: weight of the discriminator's loss in the classifier's.
    public var lambda = 1.0
    /// The classifier's learning rate; 0 takes the run's.
    public var learningRate = 0.0
    /// The classifier's weight decay; 0 is none.
    public var weightDecay = 0.0
    /// The discriminator's learning rate; 0 takes the run's.
    public var discriminatorLearningRate = 0.0
    /// The discriminator's weight decay; 0 is none.
    public var discriminatorWeightDecay = 0.0
    /// Steps of the discriminator for one of the classifier.
    public var discriminatorSteps = 1
    /// Weight of the squared gradient of the discriminator's loss by its input.
    public var gradientPenalty = 0.0
    /// Adam's β₁ of both; β₂ is 0.9.
    public var beta1 = 0.5
    /// Width of the discriminator's hidden layers.
    public var width = 256
    /// Number of linear layers of the discriminator.
    public var depth = 3
    /// Probability that a number of the discriminator's hidden layers is zeroed.
    public var dropout = 0.0

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
    public static let fields: [Setting<Self>] = [
        Setting(
            "lambda", \.lambda, "weight of the discriminator's loss in the classifier's", .atLeast(0),
            search: .power(10, -2, 2)),
        Setting(
            "learningRate", \.learningRate, "the classifier's learning rate; 0 takes the run's", .atLeast(0),
            search: .power(10, -5, -3.5), domainBed: "lr_g", default: 5e-5
        ).on(.smallImages, .power(10, -4.5, -2.5), default: 1e-3),
        Setting(
            "weightDecay", \.weightDecay, "the classifier's weight decay", .atLeast(0), search: .power(10, -6, -2),
            domainBed: "weight_decay_g"
        ).on(.smallImages, .constant(.double(0)), default: .double(0)),
        Setting(
            "discriminatorLearningRate", \.discriminatorLearningRate,
            "the discriminator's learning rate; 0 takes the run's", .atLeast(0), search: .power(10, -5, -3.5),
            domainBed: "lr_d", default: 5e-5
        ).on(.smallImages, .power(10, -4.5, -2.5), default: 1e-3),
        Setting(
            "discriminatorWeightDecay", \.discriminatorWeightDecay, "the discriminator's weight decay", .atLeast(0),
            search: .power(10, -6, -2), domainBed: "weight_decay_d"),
        Setting(
            "discriminatorSteps", \.discriminatorSteps, "steps of the discriminator for one of the classifier",
            .atLeast(1), search: .wholePower(2, 0, 3), domainBed: "d_steps_per_g_step"),
        Setting(
            "gradientPenalty", \.gradientPenalty,
            "weight of the squared gradient of the discriminator's loss by its input", .atLeast(0),
            search: .power(10, -2, 1), domainBed: "grad_penalty"),
        Setting(
            "beta1", \.beta1, "Adam's first decay, of both", .within(0...0.9999), search: .choice([0, 0.5])),
        Setting(
            "width", \.width, "width of the discriminator's hidden layers", .within(1...8192),
            search: .wholePower(2, 6, 10), domainBed: "mlp_width"),
        Setting(
            "depth", \.depth, "layers of the discriminator", .within(2...16), search: .choice([3, 4, 5]),
            domainBed: "mlp_depth"),
        Setting(
            "dropout", \.dropout, "dropout in the discriminator", .within(0...1), search: .choice([0, 0.1, 0.5]),
            domainBed: "mlp_dropout"),
    ]
}

/// ``DANN`` and ``CDANN``: a discriminator learns to tell the domains apart by their features, and the classifier to prevent
/// it, in turn.
public final class DomainAdversary: Algorithm {
    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let settings: DomainAdversarySettings
    private let isConditional: Bool
    private let discriminator: LearnedPart
    private let network: Perceptron
    /// A vector for each class that is added to its images' features.
    private let classes: Embedding?

    /// Builds classifier and discriminator for a run.
    /// - Parameter isConditional: whether the discriminator knows an image's class.
    public init(_ settings: DomainAdversarySettings, context: AlgorithmContext, isConditional: Bool) throws {
        classifier = try context.makeClassifier()
        self.settings = settings
        self.isConditional = isConditional
        let width = classifier.featureCount
        let seed = UInt64(seedHash(.int(context.seed), "discriminator"))
        let store = ParameterStore(seed: seed, device: context.device)
        let hidden = [Int](repeating: settings.width, count: settings.depth - 1)
        network = Perceptron(
            store.root / "layers", widths: [width] + hidden + [context.trainingEnvironments.count])
        classes = isConditional ? Embedding(store.root / "classes", entries: context.classes.count, width: width) : nil
        func optimizer(_ rate: Double, _ decay: Double) -> OptimizerSettings {
            OptimizerSettings(
                learningRate: rate > 0 ? rate : context.optimizer.learningRate, weightDecay: decay,
                schedule: context.optimizer.schedule)
        }
        let rule = OptimizerRule.adam(beta1: settings.beta1, beta2: 0.9)
        training = TrainingStep(
            classifier, settings: optimizer(settings.learningRate, settings.weightDecay), rule: rule)
        discriminator = LearnedPart(
            store, optimizer: optimizer(settings.discriminatorLearningRate, settings.discriminatorWeightDecay),
            rule: rule)
    }

    /// One step: `discriminatorSteps` times of the discriminator, then once of the classifier; logs `disc_loss` or
    /// `gen_loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let labels = minibatches.labels
        if (step + 1) % (1 + settings.discriminatorSteps) < settings.discriminatorSteps {
            let features = noGrad { classifier.features(minibatches.inputs) }
            let loss = discriminatorLoss(features, labels, minibatches.domains)
            return [Metric("disc_loss", try discriminator.training.minimise(loss, step: step))]
        }
        let features = classifier.features(minibatches.inputs)
        let adversary = discriminatorLoss(features, labels, minibatches.domains)
        let logits = classifier.logits(features)
        let loss = crossEntropy(logits, labels) - settings.lambda * adversary
        return [Metric("gen_loss", try training.minimise(loss, logits: logits, step: step))]
    }

    private func discriminate(_ features: Tensor) -> Tensor {
        network(features) { x in
            (classifier.isTraining ? x.dropout(settings.dropout, generator: classifier.generator) : x).relu()
        }
    }

    private func discriminatorLoss(_ features: Tensor, _ labels: Tensor, _ domains: Tensor) -> Tensor {
        var input = classes.map { features + $0(labels) } ?? features
        if !input.requiresGrad {
            input = input.detached()
            input.requiresGrad = true
        }
        let logits = discriminate(input)
        var loss = crossEntropy(logits, domains)
        if isConditional {
            let counts = labels.oneHot(classifier.classCount).sum([0]).to(dtype: .float32)
            let weights = 1 / (counts.indexSelect(0, labels) * Double(classifier.classCount))
            loss = (weights * crossEntropy(logits, domains, reduction: .none)).sum()
        }
        guard settings.gradientPenalty > 0 else { return loss }
        let sum = crossEntropy(logits, domains, reduction: .sum)
        guard let gradient = gradients(of: [sum], with: [input], createGraph: true)[0] else { return loss }
        return loss + settings.gradientPenalty * gradient.squared().sum([1]).mean()
    }

    /// The optimiser's state and the discriminator with its own.
    public var state: AlgorithmState {
        training.state.adding("discriminator", discriminator)
    }

    /// Takes up what ``state`` has kept.
    /// - Parameter name: what errors call it, its path.
    /// - Throws: `UserError` when tensors are missing or have other shapes.
    public func load(_ state: AlgorithmState, name: String) throws {
        try training.load(state, name: name)
        try discriminator.load("discriminator", of: state, name: name)
    }
}
