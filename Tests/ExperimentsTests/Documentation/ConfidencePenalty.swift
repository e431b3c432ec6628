import DomainGeneralization
import Torch

/// Penalises confident predictions by their negative entropy (Pereyra and others 2017, https://arxiv.org/abs/1701.06548).
final class ConfidencePenalty: LossTerm {
    private let weight: Double

    init(weight: Double) { self.weight = weight }

    func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
        let log = images.logits.logSoftmax(1)
        let entropy = -(log.exp() * log).sum([1]).mean()
        return (-weight * entropy, [Metric("entropy", entropy.item())])
    }
}
