import Backbones
import DomainGeneralization
import Foundations
import Torch

/// Settings of the consistency between an image and what was made of it.
public struct ConsistencySettings: Hyperparameters, Equatable {
    /// Which source image an added one is compared with.
    public enum Control: String, SettingChoice {
        /// The one that it was made of.
        case none
        /// Another training image of its class, as a control: what is gained by that owes nothing to what an image became.
        case otherOfClass = "other-of-class"
    }

    /// λ, the factor of the term.
    public var weight = 1.0
    /// Divides the logits of both, as in distillation; above 1 it tells more of the classes that are not the first.
    public var temperature = 1.0
    /// Which source image an added one is compared with.
    public var control = Control.none

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("weight", \.weight, "factor of the term in the loss", .above(0)),
        Setting("temperature", \.temperature, "divides the logits of both images", .above(0)),
        Setting("control", \.control, "which source image an added one is compared with"),
    ]
}

/// Consistency: what the classifier says of an image that the diffusion model made is to be what it says of the source image.
///
/// λ·T²·KL(softmax(f(x)/T) ‖ softmax(f(x')/T)), the mean over the added images x' of the step, x the source image of each, not
/// augmented, without a gradient (as in AugMix and unsupervised data augmentation, Xie and others 2020).
public final class ConsistencyTerm: LossTerm {
    private let settings: ConsistencySettings
    private let context: AlgorithmContext
    /// The source image that stands for each item.
    private var partners: [Int: Int] = [:]

    /// The term of a run.
    public init(_ settings: ConsistencySettings, context: AlgorithmContext) {
        self.settings = settings
        self.context = context
        guard settings.control == .otherOfClass else { return }
        let items = context.dataset.items
        let classes = Dictionary(grouping: context.trainingItems) { items[$0].label }
        for (label, members) in classes.sorted(by: { $0.key < $1.key }) {
            var generator = SeededGenerator(
                seed: UInt64(bitPattern: Int64(seedHash(.int(context.seed), "consistency"))), domain: label, step: 0)
            let order = generator.permutation(members.count)
            for (place, next) in zip(order, order.dropFirst() + order.prefix(1)) {
                partners[members[place]] = members[next]
            }
        }
    }

    /// The divergence of the step's added images from their source images; logs `consistency`.
    /// - Throws: `UserError` where no images are added; an error for an image that can no longer be read.
    public func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
        guard let added = images.added else {
            throw UserError("terms.consistency: there are no images to compare with; add some with --images ola")
        }
        let items = added.items.map { partners[$0] ?? $0 }
        let pixels = try items.map { try context.images.image(context.dataset.items[$0]) }
        let sources = ClassifierInput(
            context.evaluationPipeline.tensor(pixels, size: context.imageSize) {
                SeededGenerator(seed: 0, domain: 0, step: 0, index: $0)
            }.to(device: context.device).contiguous(.channelsLast),
            frozenFeatures: context.frozenFeatures?.features(of: items))
        let temperature = settings.temperature
        let wanted = noGrad { (added.predict(sources) / temperature).softmax(1) }
        let divergence = temperature * temperature * distillationLoss(added.logits() / temperature, wanted)
        return (settings.weight * divergence, [Metric("consistency", divergence.item())])
    }
}

/// KL(target ‖ softmax(logits)), the mean over the images.
/// - Parameter target: class probabilities [N, classes].
func distillationLoss(_ logits: Tensor, _ target: Tensor) -> Tensor {
    (target * (target.clamp(min: 1e-12).log() - logits.logSoftmax(1))).sum([1]).mean()
}
