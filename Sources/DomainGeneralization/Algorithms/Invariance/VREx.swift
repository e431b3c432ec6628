import Torch

/// Risk extrapolation (Krueger and others 2021): the ``RiskPenalty`` is `Var_e(CE_e)`, the biased variance.
public enum VREx: RiskPenaltyMethod {
    /// How ``VREx`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "VREx",
        "Risk extrapolation: the variance of the source domains' losses is a penalty (Krueger and others 2021).",
        paper: "https://arxiv.org/abs/2003.00688", RiskPenalty<VREx>.Settings.self
    ) { try RiskPenalty<VREx>($0, context: $1) }

    /// The weight of the penalty by default: 10, as DomainBed's.
    public static let standardWeight = 10.0
    /// What help texts call the penalty.
    public static let penaltyName = "the variance of the domains' losses"
    /// DomainBed's hyperparameters begin with `vrex_`.
    public static let domainBedPrefix = "vrex"

    /// The biased variance of the environments' risks, a scalar.
    /// - Parameters:
    ///   - logits: of all images, [N, classes].
    ///   - risks: the cross-entropy of each environment, [environments], and their mean.
    public static func penalty(
        logits: Tensor, risks: (each: Tensor, mean: Tensor), _ minibatches: [Minibatch]
    ) -> Tensor {
        (risks.each - risks.mean).squared().mean()
    }
}
