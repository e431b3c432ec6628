import Backbones
import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// DomainFusion (ECCV 2024): a classifier trained on raw and synthetic images, with latent distillation from one frozen
/// latent diffusion model: `L = L_raw + λ_s·L_syn + λ_LD·L_LD`, and optionally posterior distillation.
public final class DomainFusionAlgorithm: Algorithm {
    public struct Settings: Hyperparameters {
        /// The latent diffusion model: a folder in diffusers layout, a file, or `ORG/NAME` of the hub. There is none by default.
        public var ldm = ""
        /// Precision of the latent diffusion model.
        public var ldmDtype = ModelPrecision.float32
        /// Side of the images that the latent diffusion model is given and makes, in pixels; 0 is what it was trained on.
        public var ldmImageSize = 0
        /// Domains and the words for their styles, for prompts with `{style}` or `{a style}` in them. The held-out
        /// domains' are never used.
        public var styles: [String: String] = [:]
        public var distillation = LatentDistillationSettings()
        public var posterior = PosteriorDistillationSettings()
        public var augmentation = AugmentationSettings()

        public init() {}

        public static let fields: [Setting<Self>] =
            DiffusionModelSettings.modelFields(\Self.ldm, \.ldmDtype, \.ldmImageSize, \.styles) + [
                .group("distillation", \.distillation, "latent distillation (LD)"),
                .group("posterior", \.posterior, "distillation from the LDM's own posterior over the classes"),
                .group(
                    "augmentation", \.augmentation,
                    "online lightweight augmentation (OLA): rounds of images that the LDM changes"),
            ]

        public static let rules: [SettingRule<Self>] = [
            SettingRule("styles") { settings in
                let prompts =
                    [settings.distillation.prompt, settings.posterior.prompt] + settings.augmentation.prompts
                guard settings.styles.isEmpty, let prompt = prompts.first(where: Caption.namesStyle) else { return nil }
                return "must have a style for each domain, for \"\(prompt)\""
            }
        ]
    }

    public static let name = "DomainFusion"

    /// - Parameter judge: makes the judge of OLA's candidates that a run asks for.
    public static func description(judge: @escaping CandidateJudge.Loader) -> AlgorithmDescription {
        AlgorithmDescription(
            name,
            "Latent distillation and online lightweight augmentation from a frozen latent diffusion model (ECCV 2024).",
            paper: "https://eccv.ecva.net/virtual/2024/poster/1778", Settings.self
        ) { try DomainFusionAlgorithm($0, context: $1, judge: judge) }
    }

    public let classifier: Classifier
    public let training: TrainingStep
    private let settings: Settings
    /// Latent and posterior distillation, as far as they are on.
    private let terms: [any LossTerm]
    private let synthetic: SyntheticMinibatches?
    private let ledger: RunLedger

    /// - Parameter judge: makes the judge of OLA's candidates that the settings ask for.
    /// - Throws: a one-line error for a model or data that cannot be used; ``Foundations/Interruption`` where a
    ///   signal ends the work on the tables that are made before training.
    public init(
        _ settings: Settings, context: AlgorithmContext, judge: CandidateJudge.Loader = CandidateJudge.none
    ) throws {
        self.settings = settings
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        let isDistilled = settings.distillation.mode != .off
        let diffusion = try RunDiffusionModel(
            settings.ldm, dtype: settings.ldmDtype, imageSize: settings.ldmImageSize, styles: settings.styles,
            isDistilled: isDistilled, context: context)
        ledger = diffusion.ledger
        var terms: [any LossTerm] = []
        if isDistilled { terms.append(try LatentDistillationTerm(settings.distillation, diffusion)) }
        if settings.posterior.weight > 0 { terms.append(try PosteriorDistillationTerm(settings.posterior, diffusion)) }
        self.terms = terms
        synthetic =
            settings.augmentation.weight > 0
            ? try SyntheticMinibatches(settings.augmentation, diffusion, judge: judge) : nil
        try ledger.write()
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let raw = minibatches.images
        let labels = minibatches.labels
        let synthetic = try synthetic?.minibatch(step: step, raw: raw.size(0))
        var metrics = synthetic?.metrics ?? []

        // Raw and synthetic images go through the network together: one batch for batch norm, and faster.
        let logits = classifier(synthetic.map { Tensor.concatenated([raw, $0.images]) } ?? raw)
        let rawLogits = logits[0..<raw.size(0)]
        var loss = crossEntropy(rawLogits, labels)
        metrics.append(Metric("raw_loss", loss.item()))
        if let synthetic {
            let term = crossEntropy(logits[raw.size(0)..<logits.size(0)], synthetic.labels)
            loss = loss + settings.augmentation.weight * term
            metrics.append(Metric("synthetic_loss", term.item()))
        }
        let images = ClassifiedImages(
            images: raw, labels: labels, items: minibatches.flatMap(\.items), logits: rawLogits)
        for term in terms {
            let (more, of) = try term.loss(images, step: step)
            loss = loss + more
            metrics += of
        }
        metrics.append(Metric("loss", try training.minimise(loss, logits: rawLogits, step: step)))
        try ledger.finish(step: step)
        return metrics
    }
}
