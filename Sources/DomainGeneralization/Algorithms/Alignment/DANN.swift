/// Domain-adversarial neural networks (Ganin and others 2016): a discriminator D minimises the cross-entropy of the domain,
/// `L_D = CE(D(φ(x)), e) + g·‖∂ΣCE/∂φ‖²`, and the classifier `L = CE(f(x), y) − λ·L_D`, in turn.
/// See ``DomainAdversary``.
public enum DANN {
    /// How ``DANN`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "DANN", "Features from which a discriminator cannot tell the domain (Ganin and others 2016).",
        paper: "https://arxiv.org/abs/1505.07818", DomainAdversarySettings.self
    ) { try DomainAdversary($0, context: $1, isConditional: false) }
}
