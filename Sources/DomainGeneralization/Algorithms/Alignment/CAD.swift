/// The contrastive adversarial domain bottleneck (Ruan and others, ICLR 2022): images are to be as like those of other domains
/// as those of their own. See ``ContrastiveBottleneck``.
public enum CAD {
    /// How ``CAD`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "CAD", "Features by which images are as like other domains' as their own's (Ruan and others 2022).",
        paper: "https://arxiv.org/abs/2201.00057", ContrastiveBottleneckSettings.self
    ) { try ContrastiveBottleneck($0, context: $1, isConditional: false) }
}
