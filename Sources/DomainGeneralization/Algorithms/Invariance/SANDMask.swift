import Torch

/// The smoothed AND-mask (Shahtalebi and others 2021): ``GradientMasking`` with
/// `m = max(0, tanh(k · (|mean over e of sign g_e| − τ) / Var_e(g_e)))`, the unbiased variance.
///
/// As in DomainBed, 1e-17 takes the place of what is no number. Its default τ = 1 masks everything, so that nothing is learnt;
/// its random search draws τ below 1.
public enum SANDMask {
    /// The settings of ``SANDMask``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// τ: how far the signs must agree, 0…1; nothing is learnt at 1.
        public var agreement = 1.0
        /// k: how steeply the mask rises.
        public var steepness = 10.0

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
        public static let fields: [Setting<Self>] = [
            Setting(
                "agreement", \.agreement, "how far the gradients' signs must agree; nothing is learnt at 1",
                .within(0...1), search: .uniform(0, 1), domainBed: "tau"),
            Setting(
                "steepness", \.steepness, "how steeply the mask rises", .above(0), search: .power(10, -3, 5),
                domainBed: "k"),
        ]
    }

    /// How ``SANDMask`` is named, explained, set and made.
    public static let description = AlgorithmDescription(
        "SANDMask",
        "What the source domains' gradients agree on is learnt, the rest less (Shahtalebi and others 2021).",
        paper: "https://arxiv.org/abs/2106.02266", Settings.self
    ) { settings, context in
        if settings.agreement >= 1 {
            context.logger.warning(
                """
                SANDMask learns nothing at an agreement of 1, DomainBed's default; lower it with --set \
                algorithm.hyperparameters.agreement=0.5
                """)
        }
        return try GradientMasking(context: context) { gradients in
            let small = Tensor.full([], 1e-17, device: gradients.device)
            let found = gradients.variance([0])
            let variance = found.where(found.isFinite(), else: small)
            let agreement = gradients.sign().mean([0]).abs() - settings.agreement
            let mask = (settings.steepness * variance.pow(-1) * agreement).tanh()
            return Tensor.maximum(mask, mask.zerosLike()).where(mask.isFinite(), else: small)
        }
    }
}
