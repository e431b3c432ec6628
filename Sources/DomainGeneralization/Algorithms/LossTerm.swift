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

    /// N images with their labels, items and logits.
    public init(images: Tensor, labels: Tensor, items: [Int], logits: Tensor) {
        self.images = images
        self.labels = labels
        self.items = items
        self.logits = logits
    }

    /// The probability of the true label [N], part of the classifier's graph.
    public var confidence: Tensor { logits.softmax(1).gathered(1, labels.unsqueezed(1)).squeezed(1) }
}
