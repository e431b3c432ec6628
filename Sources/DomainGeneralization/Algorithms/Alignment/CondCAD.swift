/// The conditional contrastive adversarial domain bottleneck (Ruan and others, ICLR 2022): as
/// ``CAD``, among the images of a class. See ``ContrastiveBottleneck``.
public enum CondCAD {
    /// How ``CondCAD`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "CondCAD",
        "Features by which images of a class are as like other domains' as their own's (Ruan and others 2022).",
        paper: "https://arxiv.org/abs/2201.00057", ContrastiveBottleneckSettings.self
    ) { try ContrastiveBottleneck($0, context: $1, isConditional: true) }
}
