import Backbones
import Torch

/// A term that is added to the loss of whatever algorithm trains: latent distillation, and what else a model can teach.
///
///     final class Entropy: LossTerm {
///         func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
///             let log = images.logits.logSoftmax(1)
///             return (0.1 * (log.exp() * log).sum([1]).mean(), [])
///         }
///     }
///
/// A term draws no random numbers but those that are a function of the seed and the step, as an algorithm does.
public protocol LossTerm: AnyObject {
    /// The term of a step, a scalar with its weight in it, and what is logged of it.
    /// - Throws: `Interruption`, but only before anything has changed; a one-line error.
    func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric])
}

/// The source images of a step, as they were drawn, with what the classifier says of them.
public struct ClassifiedImages {
    /// Augmented and normalised images, [N, 3, H, W].
    public let images: Tensor
    /// Class indices, int64 [N].
    public let labels: Tensor
    /// Where the images come from: N indices into ``ImageFolder/items``.
    public let items: [Int]
    /// What the classifier says of them: [N, classes], part of its graph.
    public let logits: Tensor
    /// The images that were added to the step; nil where there are none.
    public let added: AddedImages?

    /// N images with their labels, items and logits.
    public init(images: Tensor, labels: Tensor, items: [Int], logits: Tensor, added: AddedImages? = nil) {
        self.images = images
        self.labels = labels
        self.items = items
        self.logits = logits
        self.added = added
    }

    /// The probability of the true label [N], part of the classifier's graph.
    public var confidence: Tensor { logits.softmax(1).gathered(1, labels.unsqueezed(1)).squeezed(1) }
}

/// The images that a ``MinibatchSource`` added to a step.
public struct AddedImages {
    /// Augmented and normalised images, [M, 3, H, W], with frozen features where the classifier takes some.
    public let inputs: ClassifierInput
    /// The source images that they were made of: M indices into ``ImageFolder/items``.
    public let items: [Int]
    /// The algorithm's logits of any images, as it is in this step.
    public let predict: (ClassifierInput) -> Tensor
    private let own: Tensor?

    /// M images with what they were made of.
    /// - Parameter logits: what the classifier says of them [M, classes], part of its graph; nil asks `predict` when they are
    ///   needed.
    public init(
        inputs: ClassifierInput, items: [Int], logits: Tensor?, predict: @escaping (ClassifierInput) -> Tensor
    ) {
        self.inputs = inputs
        self.items = items
        self.predict = predict
        own = logits
    }

    /// What the classifier says of them: [M, classes], part of its graph.
    public func logits() -> Tensor { own ?? predict(inputs) }
}
