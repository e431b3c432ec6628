import Backbones
import Pixels
import Torch

/// Mixup between source environments (Xu and others 2020, Yan and others 2020; Zhang and others 2018): environments are
/// paired in a ring, `x = λ·x_i + (1 − λ)·x_j` with λ ~ Beta(α, α) for each pair, and
/// `L = mean over pairs of λ·CE(f(x), y_i) + (1 − λ)·CE(f(x), y_j)`.
public final class Mixup: RandomizedAlgorithm {
    /// The settings of ``Mixup``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// α of the beta distribution that λ is drawn from.
        public var alpha = 0.2

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "alpha", \.alpha, "the mixing weight is drawn from Beta(alpha, alpha)", .betaParameter,
                search: .power(10, -1, 1), domainBed: "mixup_alpha")
        ]
    }

    /// How ``Mixup`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "Mixup", "Images and labels of two source domains are mixed (Xu and others 2020, Yan and others 2020).",
        paper: "https://arxiv.org/abs/2001.00677", Settings.self
    ) { try Mixup($0, context: $1) }

    /// What is random in a step.
    public struct Draw: Codable, Sendable {
        /// The ring of minibatches: each is mixed with the next one.
        let order: [Int]
        let weights: [Double]
    }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    /// Several processes can train it together.
    public let whyOneProcess: String? = nil
    private let settings: Settings
    private let draws: StepDraws

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: Settings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.settings = settings
        draws = StepDraws(context, "Mixup")
    }

    /// The step's ring of minibatches and their weights.
    public func draw(for minibatches: [Minibatch], step: Int) -> Draw {
        var generator = draws.generator(step: step)
        return Draw(
            order: generator.permutation(minibatches.count),
            weights: minibatches.map { _ in generator.beta(settings.alpha, settings.alpha) })
    }

    /// One step along the cross-entropies of mixed images with both labels; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ draw: Draw, step: Int) throws -> [Metric] {
        let losses = minibatches.indices.map { place in
            let next = draw.order[(place + 1) % minibatches.count]
            let (first, second) = [Minibatch].matched(minibatches[draw.order[place]], minibatches[next])
            let weight = draw.weights[place]
            let logits = classifier(first.inputs.mixed(with: second.inputs, weight: weight))
            return weight * crossEntropy(logits, first.labels) + (1 - weight) * crossEntropy(logits, second.labels)
        }
        return [Metric("loss", try training.minimise(losses.mean, step: step))]
    }
}
