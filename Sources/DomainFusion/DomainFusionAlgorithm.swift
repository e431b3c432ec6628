import Backbones
import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// DomainFusion (ECCV 2024): a classifier trained on raw and synthetic images, with latent distillation from one frozen
/// latent diffusion model: `L = L_raw + λ_s·L_syn + λ_LD·L_LD`, and optionally posterior distillation.
public final class DomainFusionAlgorithm: Algorithm {
    /// The settings of ``DomainFusionAlgorithm``, set by `algorithm.hyperparameters.NAME`.
    public struct Settings: Hyperparameters {
        /// The latent diffusion model: a folder in diffusers layout, a file, or `ORG/NAME` of the hub. There is none by default.
        public var ldm = ""
        /// The folder of another autoencoder of the same latents, such as TAESD; empty is the model's own.
        public var ldmVAE = ""
        /// Precision of the latent diffusion model.
        public var ldmDtype = ModelPrecision.float32
        /// Side of the images that the latent diffusion model is given and makes, in pixels; 0 is what it was trained on.
        public var ldmImageSize = 0
        /// Domains and the words for their styles, for prompts with `{style}` or `{a style}` in them. The held-out
        /// domains' are never used.
        public var styles: [String: String] = [:]
        /// Settings of latent distillation.
        public var distillation = LatentDistillationSettings()
        /// Settings of posterior distillation; off by default.
        public var posterior = PosteriorDistillationSettings()
        /// Settings of online lightweight augmentation.
        public var augmentation = AugmentationSettings()

        /// Every setting at its default.
        public init() {}

        /// The settings one by one: what they mean and their bounds.
        public static let fields: [Setting<Self>] =
            DiffusionModelSettings.modelFields(
                \Self.ldm, \.ldmVAE, \.ldmDtype, \.ldmImageSize, \.styles) + [
                .group("distillation", \.distillation, "latent distillation (LD)"),
                .group("posterior", \.posterior, "distillation from the LDM's own posterior over the classes"),
                .group(
                    "augmentation", \.augmentation,
                    "online lightweight augmentation (OLA): rounds of images that the LDM changes"),
            ]

        /// What settings that are right each by itself must not be together.
        public static let rules: [SettingRule<Self>] = [
            SettingRule("styles") { settings in
                let prompts =
                    [settings.distillation.prompt, settings.posterior.prompt] + settings.augmentation.prompts
                guard settings.styles.isEmpty, let prompt = prompts.first(where: Caption.namesStyle) else { return nil }
                return "must have a style for each domain, for \"\(prompt)\""
            }
        ]
    }

    /// The name in settings and tables.
    public static let name = "DomainFusion"

    /// How DomainFusion is named, explained, set and made.
    /// - Parameter judge: makes the judge of OLA's candidates that a run asks for.
    public static func description(judge: @escaping CandidateJudge.Loader) -> AlgorithmDescription {
        AlgorithmDescription(
            name,
            "Latent distillation and online lightweight augmentation from a frozen latent diffusion model (ECCV 2024).",
            paper: "https://eccv.ecva.net/virtual/2024/poster/1778", Settings.self
        ) { try DomainFusionAlgorithm($0, context: $1, judge: judge) }
    }

    /// The network that is trained and that predicts; a checkpoint keeps it as the model.
    public let classifier: Classifier
    /// The classifier's optimiser, whose state a checkpoint keeps beside the model.
    public let training: TrainingStep
    /// Several processes can train it together.
    public let whyOneProcess: String? = nil
    private let settings: Settings
    /// Latent and posterior distillation, as far as they are on.
    private let terms: [any LossTerm]
    private let synthetic: SyntheticMinibatches?
    private let ledger: RunLedger

    /// Builds the classifier, its optimiser and what is on of the terms and images.
    /// - Parameter judge: makes the judge of OLA's candidates that the settings ask for.
    /// - Throws: a one-line error for a model or data that cannot be used; `Interruption` where a
    ///   signal ends the work on the tables that are made before training.
    public init(
        _ settings: Settings, context: AlgorithmContext, judge: CandidateJudge.Loader = CandidateJudge.none
    ) throws {
        self.settings = settings
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        let isDistilled = settings.distillation.mode != .off
        let diffusion = try RunDiffusionModel(
            settings.ldm, vae: settings.ldmVAE, dtype: settings.ldmDtype, imageSize: settings.ldmImageSize,
            styles: settings.styles,
            isDistilled: isDistilled, context: context)
        ledger = diffusion.ledger
        var terms: [any LossTerm] = []
        if isDistilled { terms.append(try LatentDistillationTerm(settings.distillation, diffusion)) }
        if settings.posterior.weight > 0 { terms.append(try PosteriorDistillationTerm(settings.posterior, diffusion)) }
        self.terms = terms
        for term in terms { try term.begin(with: classifier) }
        synthetic =
            settings.augmentation.weight > 0
            ? try SyntheticMinibatches(settings.augmentation, diffusion, judge: judge) : nil
        try ledger.write()
    }

    /// One step along `L_raw + λ_s·L_syn + λ_LD·L_LD` and what else is on; logs each term and its seconds.
    /// - Throws: `NonFiniteError` when loss or gradient is not finite; the parameters are then as they were.
    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let raw = minibatches.inputs
        let labels = minibatches.labels
        let synthetic = try synthetic?.minibatch(step: step, part: training.part, raw: raw.count)
        var metrics = synthetic?.metrics ?? []

        // Raw and synthetic images go through the network together: one batch for batch norm, and faster.
        let logits = classifier(synthetic.map { .concatenated([raw, $0.inputs]) } ?? raw)
        let rawLogits = logits[0..<raw.count]
        var loss = crossEntropy(rawLogits, labels)
        metrics.append(Metric("raw_loss", loss.item()))
        if let synthetic {
            let term = crossEntropy(logits[raw.count..<logits.size(0)], synthetic.labels)
            loss = loss + settings.augmentation.weight * term
            metrics.append(Metric("synthetic_loss", term.item()))
        }
        let images = ClassifiedImages(
            images: raw.images, labels: labels, items: minibatches.flatMap(\.items), logits: rawLogits,
            frozenFeatures: raw.frozenFeatures)
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
