import Torch

/// Invariant risk minimisation (Arjovsky and others 2019): the ``RiskPenalty`` is the mean over e of `P_e`, the squared
/// gradient of the risk by a factor s = 1 on the logits, without bias: the product of the gradients over the even and over
/// the odd images, `P_e = ∂CE(s·f(x_even), y_even)/∂s · ∂CE(s·f(x_odd), y_odd)/∂s`.
public enum IRM: RiskPenaltyMethod {
    /// How ``IRM`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "IRM",
        "Invariant risk minimisation: one classifier is to be optimal in every domain (Arjovsky and others 2019).",
        paper: "https://arxiv.org/abs/1907.02893", RiskPenalty<IRM>.Settings.self
    ) { try RiskPenalty<IRM>($0, context: $1) }

    /// The weight of the penalty by default: 100, as DomainBed's.
    public static let standardWeight = 100.0
    /// What help texts call the penalty.
    public static let penaltyName = "the penalty"
    /// DomainBed's hyperparameters begin with `irm_`.
    public static let domainBedPrefix = "irm"

    /// The mean over the environments of `P_e`, a scalar.
    /// - Parameters:
    ///   - logits: of all images, [N, classes].
    ///   - risks: the cross-entropy of each environment, [environments], and their mean.
    public static func penalty(
        logits: Tensor, risks: (each: Tensor, mean: Tensor), _ minibatches: [Minibatch]
    ) -> Tensor {
        zip(minibatches.split(logits), minibatches).map { penalty($0, $1.labels) }.mean
    }

    private static func penalty(_ logits: Tensor, _ labels: Tensor) -> Tensor {
        let scale = Tensor.ones([], device: logits.device)
        scale.requiresGrad = true
        func gradient(from start: Int) -> Tensor {
            let half = logits.sliced(0, from: start, to: logits.size(0), step: 2)
            let loss = crossEntropy(half * scale, labels.sliced(0, from: start, to: labels.size(0), step: 2))
            return gradients(of: [loss], with: [scale], createGraph: true)[0] ?? .zeros([], device: logits.device)
        }
        return gradient(from: 0) * gradient(from: 1)
    }
}
