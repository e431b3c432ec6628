import Backbones
import Pixels
import Torch

/// Self-supervised contrastive regularisation (SelfReg; Kim and others, ICCV 2021): images of the same class are to have the
/// same logits o and features φ. With g a projection, o_s and g(φ)_s those of a random image of the same class, and o_m, g_m
/// a mixture of two such (λ ~ Beta(½, ½)):
/// `L = CE + min(CE, 1)·(λ·(‖o − o_s‖² + 0.3·‖φ − g_s‖²) + (1 − λ)·(‖o − o_m‖² + 0.3·‖φ − g_m‖²))`, means of squares.
///
/// DomainBed's optimiser leaves the projection as it was initialised, and so does ours; its batch norm uses the batch.
public final class SelfReg: RandomizedAlgorithm {
    /// The settings of ``SelfReg``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = []
    }

    /// How ``SelfReg`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "SelfReg", "Images of a class are to have the same logits and features (Kim and others 2021).",
        paper: "https://arxiv.org/abs/2104.09841", Settings.self
    ) { try SelfReg(context: $1) }

    /// What is random in a step.
    public struct Draw: Codable, Sendable {
        /// For each image one of the same class, twice.
        let partners: [[Int]]
        /// λ.
        let weight: Double
    }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let projectionStore: ParameterStore
    private let layers: [(linear: Linear, norm: BatchNorm2d)]
    private let draws: StepDraws

    /// Builds the classifier and its optimiser for a run.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(context: AlgorithmContext) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        draws = StepDraws(context, "SelfReg")
        let width = classifier.featureCount
        let hidden = width == 2048 ? width : 2 * width
        projectionStore = ParameterStore(
            seed: UInt64(seedHash(.int(context.seed), "projection")), device: context.device)
        let root = projectionStore.root
        layers = [(width, hidden), (hidden, hidden), (hidden, width)].enumerated().map { index, sizes in
            (
                Linear(root / "linear" / index, in: sizes.0, out: sizes.1),
                BatchNorm2d(root / "norm" / index, channels: sizes.1)
            )
        }
        projectionStore.isTraining = true
    }

    /// The step's images of the same class, and λ.
    public func draw(for minibatches: [Minibatch], step: Int) -> Draw {
        var generator = draws.generator(step: step)
        let labels = minibatches.labels.scalars(Int.self)
        let members = Dictionary(grouping: labels.indices) { labels[$0] }
        let partners = (0..<2).map { _ in
            var result = Array(labels.indices)
            for label in members.keys.sorted() {
                guard let places = members[label] else { continue }
                for (place, other) in zip(places, generator.permutation(places.count)) { result[place] = places[other] }
            }
            return result
        }
        return Draw(partners: partners, weight: generator.beta(0.5, 0.5))
    }

    /// One step along the cross-entropy and the weighted distances; logs `loss`.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], _ draw: Draw, step: Int) throws -> [Metric] {
        let features = classifier.features(minibatches.inputs)
        let logits = classifier.logits(features)
        let projected = project(features)
        let partners = draw.partners.map { Tensor($0, device: logits.device) }
        let weight = draw.weight
        func pair(_ rows: Tensor) -> (single: Tensor, mixed: Tensor) {
            let single = rows.indexSelect(0, partners[0])
            return (single, weight * single + (1 - weight) * rows.indexSelect(0, partners[1]))
        }
        let (otherLogits, otherFeatures) = (pair(logits), pair(projected))
        let loss = crossEntropy(logits, minibatches.labels)
        let single =
            meanSquaredError(logits, otherLogits.single) + 0.3 * meanSquaredError(features, otherFeatures.single)
        let mixed =
            meanSquaredError(logits, otherLogits.mixed) + 0.3 * meanSquaredError(features, otherFeatures.mixed)
        let scale = min(loss.item(), 1)
        let total = loss + scale * (weight * single + (1 - weight) * mixed)
        return [Metric("loss", try training.minimise(total, step: step))]
    }

    private func project(_ features: Tensor) -> Tensor {
        var x = features
        for (index, layer) in layers.enumerated() {
            x = layer.norm(layer.linear(x))
            if index < layers.count - 1 { x = x.relu() }
        }
        return x
    }
}
