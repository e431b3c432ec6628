import Torch

/// The AND-mask (Parascandolo and others, ICLR 2021): ``GradientMasking`` where the mask is 1 for an element whose gradients
/// have the same sign in enough environments, `|mean over e of sign g_e| ≥ τ`, else 0.
public enum ANDMask {
    /// The settings of ``ANDMask``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// τ: how far the signs must agree, 0…1; 1 is in all environments.
        public var agreement = 1.0

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "agreement", \.agreement, "how far the gradients' signs must agree; 1 is in all domains",
                .within(0...1), search: .uniform(0.5, 1), domainBed: "tau")
        ]
    }

    /// How ``ANDMask`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "ANDMask", "Only what all source domains' gradients agree on is learnt (Parascandolo and others 2021).",
        paper: "https://arxiv.org/abs/2009.00329", Settings.self
    ) { settings, context in
        try GradientMasking(context: context) { gradients in
            gradients.sign().mean([0]).abs().atLeast(settings.agreement).to(dtype: gradients.dtype)
        }
    }
}
