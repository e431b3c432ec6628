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
        /// Folder of the latent diffusion model, in diffusers layout.
        public var ldm = "Models/emoji-ldm"
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

        public static let help = [
            "ldm": "the latent diffusion model: a folder in diffusers layout, a file of Stable Diffusion, or ORG/NAME",
            "ldmDtype": "its precision: float32, bfloat16 or float16",
            "ldmImageSize": "side of the images it is given and makes, in pixels; 0: what it was trained on",
            "styles": "domains and the words for their styles, for prompts with {style}; never the held-out ones'",
            "distillation": "latent distillation (LD): mode off, autograd, online, latent-curve or curve; weight; …",
            "posterior": "distillation from the LDM's own posterior over the classes; weight 0 is off",
            "augmentation":
                "online lightweight augmentation (OLA): rounds of images that the LDM changes; weight 0 is off",
        ]

        public func validate() throws {
            guard (0...8192).contains(ldmImageSize) else {
                throw UserError("algorithm.hyperparameters.ldmImageSize: must be in 0…8192 (0 is the model's own)")
            }
            try distillation.validate(path: "algorithm.hyperparameters.distillation")
            try posterior.validate(path: "algorithm.hyperparameters.posterior")
            try augmentation.validate(path: "algorithm.hyperparameters.augmentation")
            let prompts = [distillation.prompt, posterior.prompt] + augmentation.prompts
            if styles.isEmpty, let prompt = prompts.first(where: Caption.namesStyle) {
                throw UserError(
                    "algorithm.hyperparameters.styles: must have a style for each domain, for \"\(prompt)\"")
            }
        }
    }

    public static let name = "DomainFusion"

    /// - Parameter judge: makes the judge of OLA's candidates that a run asks for.
    public static func description(judge: @escaping CandidateJudge.Loader) -> AlgorithmDescription {
        AlgorithmDescription(
            name,
            "Latent distillation and online lightweight augmentation from a frozen latent diffusion model (ECCV 2024).",
            Settings.self
        ) { settings, context in
            let path = settings.augmentation.judge
            let isAsked = settings.augmentation.weight > 0 && !path.isEmpty
            return try DomainFusionAlgorithm(
                settings, context: context, judge: isAsked ? judge(path, context) : nil)
        }
    }

    public let classifier: Classifier
    public let training: TrainingStep
    private let settings: Settings
    private let distillation: LatentDistillationTerm?
    private let posterior: PosteriorDistillationTerm?
    private let augmentation: AugmentationTerm?
    private let ledgerPath: String
    private var ledger: Ledger
    private let steps: Int
    private let mean, deviation: Tensor

    /// - Parameter judge: of OLA's candidates; needed where the settings have a threshold.
    /// - Throws: a one-line error for a model or data that cannot be used; ``DomainGeneralization/Interruption`` where a
    ///   signal ends the work on the tables that are made before training.
    public init(_ settings: Settings, context: AlgorithmContext, judge: CandidateJudge? = nil) throws {
        self.settings = settings
        steps = context.steps
        classifier = try context.makeClassifier()
        training = TrainingStep(classifier, settings: context.optimizer)
        mean = Tensor(context.normalization.mean, shape: [1, 3, 1, 1], device: context.device)
        deviation = Tensor(context.normalization.deviation, shape: [1, 3, 1, 1], device: context.device)
        let model = try LatentDiffusionModel(
            path: settings.ldm, device: context.device, dtype: settings.ldmDtype.dtype,
            vaeDType: settings.distillation.mode == .off ? nil : .float32,
            imageSize: settings.ldmImageSize == 0 ? nil : settings.ldmImageSize)
        let styles = DomainStyles(settings.styles, context: context)
        let store = ContentStore(context.storeDirectory, logger: context.logger)
        let path = "\(context.runDirectory)/ledger.json"
        ledgerPath = path
        var ledger = try Ledger(path: path)
        // Also when the work on the tables ends early: what it took is counted.
        defer { try? ledger.write(to: path) }
        distillation =
            settings.distillation.mode == .off
            ? nil
            : try LatentDistillationTerm(
                settings.distillation, styles: styles, model: model, context: context, store: store, ledger: &ledger)
        posterior =
            settings.posterior.weight == 0
            ? nil
            : try PosteriorDistillationTerm(
                settings.posterior, styles: styles, model: model, context: context, store: store, ledger: &ledger)
        augmentation =
            settings.augmentation.weight == 0
            ? nil
            : try AugmentationTerm(
                OnlineAugmentation(
                    settings.augmentation, styles: settings.styles, model: model, context: context, store: store,
                    judge: judge),
                context: context)
        self.ledger = ledger
    }

    public func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        let raw = minibatches.images
        let labels = minibatches.labels
        let synthetic = try synthetic(step: step, raw: raw.size(0))
        var metrics = step == 0 ? preparation : []
        if let synthetic { metrics += synthetic.metrics }

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
        let items = minibatches.flatMap(\.items)
        if let distillation {
            let confidence = rawLogits.softmax(1).gathered(1, labels.unsqueezed(1)).squeezed(1)
            let term = try distillation.loss(
                confidence: confidence, images: noGrad { (raw * deviation + mean).clamp(min: 0, max: 1) },
                labels: labels.scalars(Int.self), items: items, step: step, ledger: &ledger)
            loss = loss + term.loss
            metrics += term.metrics + [Metric("confidence", confidence.mean().item())]
        }
        if let posterior {
            let term = try posterior.loss(logits: rawLogits, items: items)
            loss = loss + term
            metrics.append(Metric("posterior_loss", term.item()))
        }
        metrics.append(Metric("loss", try training.minimise(loss, step: step)))
        if (step + 1) % 25 == 0 || step + 1 == steps { try ledger.write(to: ledgerPath) }
        return metrics
    }

    /// The synthetic minibatch of a step. A signal ends the work on a new round between two batches: the step is then
    /// not begun, and what was made is in the store.
    private func synthetic(step: Int, raw: Int) throws -> AugmentationTerm.Step? {
        do {
            return try augmentation?.minibatch(step: step, raw: raw, ledger: &ledger, poll: Interruption.poll)
        } catch {
            try? ledger.write(to: ledgerPath)
            throw error
        }
    }

    /// The seconds that the tables took before the first step, over all starts of the run.
    private var preparation: [Metric] {
        Self.preparations.compactMap { part in ledger.seconds[part].map { Metric("\(part)_seconds", $0, .total) } }
    }

    /// What the ledger calls the work before the first step; a run's totals have it under `…_seconds`.
    public static let preparations = ["curves", "posteriors"]
}
