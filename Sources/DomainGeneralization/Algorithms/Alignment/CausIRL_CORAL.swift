/// Causality-based invariant representation learning with the distance of ``CORAL`` (Chevalley and others 2022). See
/// ``CausalMatching``.
public enum CausIRL_CORAL {
    /// How ``CausIRL_CORAL`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "CausIRL_CORAL",
        "Means and covariances of the features of two random mixtures of domains are matched (Chevalley and others 2022).",
        paper: "https://arxiv.org/abs/2206.11646", FeatureMatchingSettings.self
    ) { try CausalMatching($0, context: $1, name: "CausIRL_CORAL", distance: CORAL.distance) }
}
