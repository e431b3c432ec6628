/// Conditional domain-adversarial networks (Li and others, ECCV 2018): as ``DANN``, where the discriminator sees
/// `φ(x) + v_y` with a learnt vector for each class, and every class weighs the same in its loss:
/// `Σ_i CE_i / (N_{y_i}·C)`. See ``DomainAdversary``.
///
/// DomainBed's C is the highest label in the step plus one, ours the number of classes.
public enum CDANN {
    /// How ``CDANN`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "CDANN",
        "Features from which a discriminator that knows the class cannot tell the domain (Li and others 2018).",
        paper: "https://openaccess.thecvf.com/content_ECCV_2018/papers/"
            + "Ya_Li_Deep_Domain_Generalization_ECCV_2018_paper.pdf",
        DomainAdversarySettings.self
    ) { try DomainAdversary($0, context: $1, isConditional: true) }
}
