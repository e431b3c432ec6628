/// Empirical risk minimisation with an information bottleneck (Ahuja and others, NeurIPS 2021): the variances of the features
/// are a penalty. See ``InformationBottleneck``.
public enum IB_ERM {
    /// How ``IB_ERM`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "IB_ERM", "ERM with an information bottleneck: the features' variances are a penalty (Ahuja and others 2021).",
        paper: "https://arxiv.org/abs/2106.06607", BottleneckSettings.self
    ) { try InformationBottleneck($0, context: $1) }
}
