/// Causality-based invariant representation learning with the distance of ``MMD`` (Chevalley and others 2022). See
/// ``CausalMatching``.
public enum CausIRL_MMD {
    /// How ``CausIRL_MMD`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "CausIRL_MMD",
        "Distributions of the features of two random mixtures of domains are matched (Chevalley and others 2022).",
        paper: "https://arxiv.org/abs/2206.11646", FeatureMatchingSettings.self
    ) { try CausalMatching($0, context: $1, name: "CausIRL_MMD", distance: MMD.distance) }
}
