import Torch

/// Risk extrapolation (Krueger and others 2021): the ``RiskPenalty`` is `Var_e(CE_e)`, the biased variance.
public enum VREx: RiskPenaltyMethod {
    public static let description = AlgorithmDescription(
        "VREx",
        "Risk extrapolation: the variance of the source domains' losses is a penalty (Krueger and others 2021).",
        paper: "https://arxiv.org/abs/2003.00688", RiskPenalty<VREx>.Settings.self
    ) { try RiskPenalty<VREx>($0, context: $1) }

    public static let standardWeight = 10.0
    public static let penaltyName = "the variance of the domains' losses"
    public static let domainBedPrefix = "vrex"

    public static func penalty(
        logits: Tensor, risks: (each: Tensor, mean: Tensor), _ minibatches: [Minibatch]
    ) -> Tensor {
        (risks.each - risks.mean).squared().mean()
    }
}
