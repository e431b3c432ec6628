import Backbones
import Diffusion
import DomainGeneralization
import Torch

/// MODE by adaptive instance normalisation (MODE-A; Dai and others, ICML 2023): a style is the mean and deviation of each
/// channel of an encoder's map h, `x' = decode(γ·(σ_mix·(h − μ)/σ + μ_mix) + (1 − γ)·h)`. See `StyleExploration`.
///
/// Encoder and decoder are the latent diffusion model's autoencoder; the published code has a VGG network and a decoder that
/// was trained for it.
public final class MODEA: RandomizedAlgorithm {
    /// The settings of ``MODEA``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// The latent diffusion model: a folder in diffusers layout, a file, or `ORG/NAME` of the hub. There is none by default.
        public var ldm = ""
        /// How styles are explored.
        public var exploration = StyleExplorationSettings()

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean and their bounds.
        public static let fields: [Setting<Self>] = [
            Setting(
                "ldm", \.ldm,
                "the latent diffusion model whose autoencoder is used: a folder in diffusers layout, or a file"),
            .group("exploration", \.exploration, "MODE's ascent"),
        ]
    }

    /// How ``MODEA`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "MODE-A", "Every image gets the hardest mixture of channel statistics out of a bank (Dai and others 2023).",
        paper: "https://arxiv.org/abs/2304.13976", Settings.self
    ) { try MODEA($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let exploration: StyleExploration
    private let vae: any LatentAutoencoder
    private let mean, deviation: Tensor

    /// Loads the model and builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for a model or weights that cannot be used.
    public convenience init(_ settings: Settings, context: AlgorithmContext) throws {
        let model = try LatentDiffusionModel(path: settings.ldm, device: context.device)
        try self.init(settings, context: context, vae: model.vae)
    }

    init(_ settings: Settings, context: AlgorithmContext, vae: any LatentAutoencoder) throws {
        self.vae = vae
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        exploration = StyleExploration(settings.exploration, classifier, training, context: context, name: "MODE-A")
        mean = Tensor(context.normalization.mean, shape: [1, 3, 1, 1], device: context.device)
        deviation = Tensor(context.normalization.deviation, shape: [1, 3, 1, 1], device: context.device)
    }

    /// For each image the images whose styles are its bank; see `StyleExploration.bank(sizes:step:)`.
    public func draw(for minibatches: [Minibatch], step: Int) -> [[Int]] {
        exploration.bank(sizes: minibatches.sizes, step: step)
    }

    /// One step with given banks of styles; logs `loss`, `raw_loss` and `explored_loss`.
    /// - Throws: `NonFiniteError` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ bank: [[Int]], step: Int) throws -> [Metric] {
        let inputs = minibatches.inputs
        let images = inputs.images
        let gamma = exploration.settings.gamma
        let (maps, parts, styles) = noGrad {
            let maps = vae.encode((images * deviation + mean).to(dtype: vae.store.dtype) * 2 - 1)
            let parts = AdaIN.decompose(maps)
            let styles = bank.map { parts.style.indexSelect(0, Tensor($0, device: images.device)) }
            return (maps, parts, styles)
        }
        return try exploration.update(inputs, minibatches.labels, step: step) { weights, rows in
            let mixed = styles.indices.map { styles[$0][rows] * weights.narrowed(1, start: $0, length: 1) }
            let changed = AdaIN.compose(style: mixed.dropFirst().reduce(mixed[0], +), content: parts.content[rows])
            let pixels = vae.decode(gamma * changed + (1 - gamma) * maps[rows]) * 0.5 + 0.5
            return (pixels.to(dtype: images.dtype) - mean) / deviation
        }
    }
}
