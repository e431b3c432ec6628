import Backbones
import Torch

/// MODE in Fourier space (MODE-F; Dai and others, ICML 2023): a style is the amplitude spectrum of the normalised image; the
/// phase stays, `x' = F⁻¹(((1 − γ)·A + γ·Σ_k w_k·A_k)·e^{jP})`. See ``StyleExploration``.
public final class MODEF: RandomizedAlgorithm {
    /// How ``MODEF`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "MODE-F", "Every image gets the hardest mixture of amplitude spectra out of a bank (Dai and others 2023).",
        paper: "https://arxiv.org/abs/2304.13976", StyleExplorationSettings.self
    ) { try MODEF($0, context: $1) }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    /// Several processes can train it together.
    public let whyOneProcess: String? = nil
    private let exploration: StyleExploration

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(_ settings: StyleExplorationSettings, context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        exploration = StyleExploration(settings, classifier, training, context: context, name: "MODE-F")
    }

    /// For each image the images whose styles are its bank; see ``StyleExploration/bank(sizes:step:)``.
    public func draw(for minibatches: [Minibatch], step: Int) -> [[Int]] {
        exploration.bank(sizes: minibatches.sizes, step: step)
    }

    /// One step with given banks of styles; logs `loss`, `raw_loss` and `explored_loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ bank: [[Int]], step: Int) throws -> [Metric] {
        let inputs = minibatches.inputs
        let images = inputs.images
        let (height, width) = (images.size(2), images.size(3))
        let gamma = exploration.settings.gamma
        let (amplitude, phase, styles) = noGrad {
            let spectrum = images.contiguous().rfft2()
            let amplitude = spectrum.abs()
            let styles = bank.map { amplitude.indexSelect(0, Tensor($0, device: images.device)) }
            return (amplitude, spectrum.angle(), styles)
        }
        return try exploration.update(inputs, minibatches.labels, step: step) { weights, rows in
            let mixed = styles.indices.map { index in
                styles[index][rows] * weights.narrowed(1, start: index, length: 1).reshaped(-1, 1, 1, 1)
            }
            let style = mixed.dropFirst().reduce(mixed[0], +)
            return ((1 - gamma) * amplitude[rows] + gamma * style).polar(phase: phase[rows]).irfft2(height, width)
        }
    }
}
