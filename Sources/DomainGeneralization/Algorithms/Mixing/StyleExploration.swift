import Backbones
import Foundations
import Pixels
import Torch

/// The settings of ``MODEF`` and of MODE-A: how styles are explored.
public struct StyleExplorationSettings: Hyperparameters {
    /// Which images' styles are an image's bank.
    public enum Bank: String, SettingChoice {
        /// The own, then in turn one of each source domain.
        case domains
        /// The own, then those of random images of the whole step, whatever their domains.
        case batch
    }

    /// β: weight of the explored images in the loss.
    public var beta = 0.4
    /// γ: share of the style that is replaced by the mixed one.
    public var gamma = 1.0
    /// n: styles in an image's bank, its own among them.
    public var styles = 4
    /// Which images' styles these are.
    public var bank = Bank.domains
    /// K: steps of ascent along the classifier's loss.
    public var steps = 10
    /// μ: how far a step moves a weight.
    public var stepSize = 0.05

    /// Every setting at its default, which is the paper's.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("beta", \.beta, "weight of the explored images in the loss", .within(0...1)),
        Setting("gamma", \.gamma, "share of the style that is replaced by the mixed one", .within(0...1)),
        Setting("styles", \.styles, "styles in an image's bank, its own among them", .within(1...1000)),
        Setting("bank", \.bank, "whose they are, in turn those of the source domains or of the whole step's images"),
        Setting("steps", \.steps, "steps of ascent on the loss", .within(0...10_000)),
        Setting("stepSize", \.stepSize, "how far a step moves a weight", .atLeast(0)),
    ]
}

/// Moderately distributional exploration (MODE; Dai and others, ICML 2023): every image gets the mixture of styles, out of a
/// bank, that the classifier finds hardest.
///
/// A bank holds the image's own style and, in turn, those of random images of each source environment in the step, or of the
/// whole step where the setting `bank` says so. The weights begin at 1/n; K times
/// `w ← clamp(w + μ·sign ∂CE/∂w, 0, 1)` with the classifier as in evaluation; the styles are mixed with `w / Σw`. Then
/// `L = (1 − β)·CE(f(x), y) + β·CE(f(x'), y)` over both sets of images together.
public struct StyleExploration {
    /// How styles are explored.
    public let settings: StyleExplorationSettings
    private let classifier: Classifier
    private let training: TrainingStep
    private let draws: StepDraws

    /// Explores the styles of a run's images by its classifier.
    /// - Parameter name: the algorithm's, for its random numbers.
    public init(
        _ settings: StyleExplorationSettings, _ classifier: Classifier, _ training: TrainingStep,
        context: AlgorithmContext, name: String
    ) {
        self.settings = settings
        self.classifier = classifier
        self.training = training
        draws = StepDraws(context, name)
    }

    /// For each image of a step the images whose styles are its bank: `styles` rows in all, each with an index for each
    /// image.
    public func bank(sizes: [Int], step: Int) -> [[Int]] {
        var generator = draws.generator(step: step)
        let count = sizes.reduce(0, +)
        let starts = sizes.indices.map { sizes[..<$0].reduce(0, +) }
        var rows = [Array(0..<count)]
        for index in 1..<max(1, settings.styles) {
            let environment = (index - 1) % sizes.count
            rows.append(
                (0..<count).map { _ in
                    switch settings.bank {
                    case .domains: starts[environment] + generator.below(sizes[environment])
                    case .batch: generator.below(count)
                    }
                })
        }
        return rows
    }

    /// One optimisation step.
    /// - Parameter compose: images [n, 3, H, W] of the step's `rows`, as the classifier takes them, for mixing weights
    ///   [n, styles] that sum to 1.
    public func update(
        _ inputs: ClassifierInput, _ labels: Tensor, step: Int,
        compose: (_ weights: Tensor, _ rows: Range<Int>) -> Tensor
    ) throws -> [Metric] {
        let (count, images) = (inputs.count, inputs.images)
        let part = images.device.kind == .cpu ? Self.imagesAtOnce : count
        let parts = stride(from: 0, to: count, by: part).map { start in
            let rows = start..<min(start + part, count)
            let weights = explore(inputs.rows(rows), labels[rows]) { compose($0, rows) }
            return noGrad { compose(weights, rows).contiguous(.channelsLast) }
        }
        let explored = Tensor.concatenated(parts)
        let logits = classifier(.concatenated([inputs, inputs.with(images: explored)])).chunked(2, dimension: 0)
        let (raw, hard) = (crossEntropy(logits[0], labels), crossEntropy(logits[1], labels))
        let value = try training.minimise(
            (1 - settings.beta) * raw + settings.beta * hard, logits: logits[0], step: step)
        return [Metric("loss", value), Metric("raw_loss", raw.item()), Metric("explored_loss", hard.item())]
    }

    /// How many images ascend together on a CPU. In evaluation they do not depend on each other, and more of the maps of this
    /// many stay in its cache: a tenth faster than 64 for EfficientNet-Lite0 at 64².
    private static let imagesAtOnce = 32

    /// The mixing weights [n, styles] after the ascent; each row sums to 1.
    private func explore(
        _ inputs: ClassifierInput, _ labels: Tensor, compose: (_ weights: Tensor) -> Tensor
    ) -> Tensor {
        let wasTraining = classifier.isTraining
        classifier.isTraining = false
        defer { classifier.isTraining = wasTraining }
        var weights = Tensor.full(
            [labels.size(0), settings.styles], 1 / Double(settings.styles), device: labels.device)
        for _ in 0..<settings.steps {
            weights.requiresGrad = true
            let loss = crossEntropy(classifier(inputs.with(images: compose(Self.normalised(weights)))), labels)
            guard let gradient = gradients(of: [loss], with: [weights])[0] else { break }
            weights = noGrad { (weights + settings.stepSize * gradient.sign()).clamp(min: 0, max: 1) }
        }
        return noGrad { Self.normalised(weights) }
    }

    private static func normalised(_ weights: Tensor) -> Tensor {
        weights / weights.sum([1], keepDimensions: true).clamp(min: 1e-6)
    }
}
