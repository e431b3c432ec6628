/// Invariant risk minimisation with an information bottleneck (Ahuja and others, NeurIPS 2021). See ``InformationBottleneck``.
public enum IB_IRM {
    /// The settings of ``IB_IRM``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// How much the penalty of ``IRM`` counts.
        public var invariance = RiskPenalty<IRM>.Settings()
        /// How much the features' variances count.
        public var bottleneck = BottleneckSettings()

        /// Every setting at its default.
        public init() {}

        /// The two groups of settings.
        public static let fields: [Setting<Self>] = [
            .group("invariance", \.invariance, "the penalty of IRM"),
            .group("bottleneck", \.bottleneck, "the information bottleneck"),
        ]
    }

    /// How ``IB_IRM`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "IB_IRM", "IRM with an information bottleneck: the features' variances are a penalty (Ahuja and others 2021).",
        paper: "https://arxiv.org/abs/2106.06607", Settings.self
    ) { try InformationBottleneck($0.bottleneck, invariance: $0.invariance, context: $1) }
}
