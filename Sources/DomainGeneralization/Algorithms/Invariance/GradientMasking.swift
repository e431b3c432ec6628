import Backbones
import Torch

/// ``ANDMask`` and ``SANDMask``: the mean of the environments' gradients, where they agree. With g_e the gradient of the
/// cross-entropy of environment e by one parameter, element by element, and m = mask(g) in 0…1, the step follows
/// `m · mean over e of g_e / (mean of m + 1e-10)`.
public final class GradientMasking: Algorithm {
    /// What is left of one parameter's gradient: of those of the environments [environments, …] the mask […], in 0…1.
    public typealias Mask = (_ gradients: Tensor) -> Tensor

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    private let mask: Mask

    /// Builds the classifier and its optimiser for a run, and masks gradients.
    /// - Throws: a one-line error for pretrained weights that are missing or do not fit.
    public init(context: AlgorithmContext, mask: @escaping Mask) throws {
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        self.mask = mask
    }

    /// One step along the masked mean of the environments' gradients; logs `loss`, the mean of their losses.
    /// - Throws: ``NonFiniteError`` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let parameters = training.optimizer.parameters
        var losses: [Double] = []
        let each = minibatches.map { minibatch in
            let loss = crossEntropy(classifier(minibatch.inputs), minibatch.labels)
            losses.append(loss.item())
            return gradients(of: [loss], with: parameters)
        }
        let loss = losses.reduce(0, +) / Double(losses.count)
        try training.check(loss, "the loss", step: step)
        let steps = parameters.indices.map { index -> Tensor? in
            let found = each.compactMap { $0[index] }
            return found.isEmpty ? nil : noGrad { masked(Tensor.stacked(found)) }
        }
        try training.apply(steps, step: step)
        return [Metric("loss", loss)]
    }

    private func masked(_ gradients: Tensor) -> Tensor {
        let mask = mask(gradients)
        return mask * gradients.mean([0]) / (mask.mean() + 1e-10)
    }
}
