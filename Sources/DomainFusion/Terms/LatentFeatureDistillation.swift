import Backbones
import DomainGeneralization
import Foundations
import Torch

/// Settings of the distillation of the diffusion model's features.
public struct LatentFeatureDistillationSettings: Hyperparameters, Equatable {
    /// What of the diffusion model's features the classifier's are to tell.
    public enum Form: String, SettingChoice {
        /// The features themselves: two layers over the classifier's features learn to give them.
        case cosine
        /// How alike the images of a step are: nothing is learned beside the classifier.
        case relations
    }

    /// λ, the factor of the term.
    public var weight = 1.0
    /// What of the diffusion model's features the classifier's are to tell.
    public var form = Form.cosine
    /// τ, which divides the similarities of form relations.
    public var temperature = 0.1
    /// The features, and the controls that take their place; how a classifier would take them plays no part.
    public var features = LatentFeatureSettings()

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("weight", \.weight, "factor of the term in the loss", .above(0)),
        Setting("form", \.form, "what of the diffusion model's features the classifier's are to tell"),
        Setting("temperature", \.temperature, "divides the similarities of form relations", .above(0)),
        .group("features", \.features, "the diffusion model's features"),
    ]
}

/// Latent feature distillation (LFD): the classifier's features f(x) of an image are to tell what a frozen diffusion model's
/// features u(x) of it tell.
///
/// Form cosine: λ·mean(1 − cos(W₂·relu(W₁·f), u)), where W₁ and W₂ are learned along (as in FitNets, Romero and others 2015).
/// Form relations: λ·mean over the images i of KL(softmax_j(cos(u_i, u_j)/τ) ‖ softmax_j(cos(f_i, f_j)/τ)), j ≠ i, over the
/// source images of the step (as in relational distillation, Park and others 2019). u is standardised over the training images;
/// f are the backbone's features without the frozen ones that its head may take. No step asks the diffusion model.
public final class LatentFeatureDistillation: LossTerm {
    /// The two layers, in form cosine.
    public private(set) var learned: LearnedPart?
    /// One process has all images of a step, and the layers.
    public let whyOneProcess: String? =
        "its term lfd compares the images of a step, or learns layers beside the classifier"
    private let settings: LatentFeatureDistillationSettings
    private let context: AlgorithmContext
    private let table: FrozenFeatureTable
    private let mean, deviation: Tensor
    private var classifier: Classifier?
    private var layers: (first: Linear, second: Linear)?

    /// The term of a run, with the features of its images worked out or found in the store.
    /// - Throws: `UserError` for features that the model does not have; what reading images or the store throws; `Interruption`
    ///   where a signal ends the work.
    public convenience init(_ settings: LatentFeatureDistillationSettings, _ diffusion: RunDiffusionModel) throws {
        let context = diffusion.context
        let source = try LatentFeatures(
            settings.features, model: diffusion.model, store: diffusion.store, ledger: diffusion.ledger)
        let table = try FrozenFeatureTable(
            source, dataset: context.dataset, images: context.images, device: context.device,
            over: context.group
        ) { done, all in
            if done % 512 == 0 || done == all { context.logger.info("features: \(done) of \(all)") }
        }
        try diffusion.ledger.write()
        self.init(settings, table: table, context: context)
    }

    init(_ settings: LatentFeatureDistillationSettings, table: FrozenFeatureTable, context: AlgorithmContext) {
        self.settings = settings
        self.table = table
        self.context = context
        (mean, deviation) = table.statistics(of: context.trainingItems)
    }

    /// Takes the network whose features are to be taught, and makes the layers over them.
    public func begin(with classifier: Classifier) {
        self.classifier = classifier
        guard settings.form == .cosine else { return }
        let store = ParameterStore(seed: UInt64(seedHash(.int(context.seed), "lfd")), device: context.device)
        let width = classifier.backbone.featureCount
        let layers = (
            first: Linear(store.root / "0", in: width, out: width),
            second: Linear(store.root / "2", in: width, out: mean.count)
        )
        self.layers = layers
        learned = LearnedPart(store, optimizer: context.optimizer)
    }

    /// The distance of the features of the step's source images, by another pass through the network; logs `lfd`.
    public func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
        guard let classifier else { preconditionFailure("begin(with:) comes before the first step") }
        let own = classifier.features(images.inputs).narrowed(1, start: 0, length: classifier.backbone.featureCount)
        let wanted = noGrad {
            (table.features(of: images.items) - mean.to(device: own.device)) / deviation.to(device: own.device)
        }
        let distance =
            if let layers {
                featureDistance(layers.second(layers.first(own).relu()), wanted)
            } else {
                relationDistance(own, wanted, temperature: settings.temperature)
            }
        return (settings.weight * distance, [Metric("lfd", distance.item())])
    }
}

/// 1 − cos(a_i, b_i), the mean over the rows of [N, D].
func featureDistance(_ a: Tensor, _ b: Tensor) -> Tensor { 1 - (a.unitRows() * b.unitRows()).sum([1]).mean() }

/// The mean over the rows i of KL(softmax_j(cos(target_i, target_j)/τ) ‖ softmax_j(cos(features_i, features_j)/τ)), j ≠ i.
/// - Parameters:
///   - features: [N, D].
///   - target: [N, E].
func relationDistance(_ features: Tensor, _ target: Tensor, temperature: Double) -> Tensor {
    func similarities(_ rows: Tensor) -> Tensor {
        let unit = rows.unitRows()
        // An image is not compared with itself: e^−10⁴ is 0 in any type.
        let own = Tensor(Array(0..<rows.size(0)), device: rows.device).oneHot(rows.size(0)).to(dtype: rows.dtype)
        return unit.matmul(unit.transposed(0, 1)) / temperature * (1 - own) - 1e4 * own
    }
    return distillationLoss(similarities(features), noGrad { similarities(target).softmax(1) })
}

extension Tensor {
    /// Rows of length 1; rows of zeros stay.
    fileprivate func unitRows() -> Tensor { self / squared().sum([1]).clamp(min: 1e-16).sqrt().unsqueezed(1) }
}
