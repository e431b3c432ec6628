import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// Settings of posterior distillation: the classifier is drawn to the class probabilities of the LDM itself.
public struct PosteriorDistillationSettings: Hyperparameters, Equatable {
    /// λ, the factor of the term in the loss; 0 is off.
    public var weight = 0.0
    /// β of `p_φ(y|x) ∝ exp(−β·error)`.
    public var sharpness = 200.0
    /// Only images whose source label the LDM itself gives.
    public var onlyWhereRight = true
    /// `{a class}` stands for each class with its article, `{a style}` for the style of the image's own domain.
    public var prompt = "a photo of {a class}"
    /// Stratified draws of (t, ε), the same for all classes.
    public var draws = 8
    /// w(t), the weight of a time step in the errors.
    public var timeWeight = LatentDistillationSettings.TimeWeight.one
    /// Seeds the draws of time steps and noise.
    public var seed = 0

    /// Every setting at its default: off.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("weight", \.weight, "factor of the term in the loss; 0 is off", .atLeast(0)),
        Setting(
            "sharpness", \.sharpness, "factor of the LDM's errors in the exponent of the posterior",
            .above(0, atMost: 1e9)),
        Setting("onlyWhereRight", \.onlyWhereRight, "only images whose label is the LDM's own guess"),
        Setting("prompt", \.prompt, "what the LDM is asked for, class by class", .prompt),
        Setting("draws", \.draws, "draws of time step and noise that are averaged", .within(1...100_000)),
        Setting("timeWeight", \.timeWeight, "weight of a time step"),
        Setting("seed", \.seed, "seeds the draws"),
    ]

    /// The settings that the LDM's errors depend on.
    var distillation: LatentDistillationSettings {
        var settings = LatentDistillationSettings()
        settings.draws = draws
        settings.timeWeight = timeWeight
        settings.prompt = prompt
        settings.seed = seed
        return settings
    }
}

/// `λ·KL(p_θ(y|x) ‖ p_φ(y|x))`, which the paper names as LD's aim, taken literally.
public final class PosteriorDistillationTerm: LossTerm {
    private let settings: PosteriorDistillationSettings
    /// log p_φ [items, classes], and whether an item takes part [items].
    private let logPosterior, mask: Tensor
    private let rows: ItemRows
    private let ledger: RunLedger
    /// Share of the training items that the LDM classifies rightly.
    public let accuracy: Double

    /// The term of a run; the posteriors are worked out or found in the store.
    /// - Parameter diffusion: its ledger counts what the posteriors take.
    /// - Throws: what reading images or the store throws; `Interruption` where a signal ends the work.
    public init(_ settings: PosteriorDistillationSettings, _ diffusion: RunDiffusionModel) throws {
        self.settings = settings
        ledger = diffusion.ledger
        let context = diffusion.context
        let library = try DistillationLibrary(
            LatentDistillation(FrozenDenoiser(diffusion.model), settings.distillation), store: diffusion.store)
        let prompts = try ImagePrompts(settings.prompt, styles: diffusion.styles, context: context)
        let items = context.trainingItems
        let posteriors = try ledger.counting { counts in
            try library.values("posteriors", context: context) { entry in
                try library.posterior(
                    try context.images.image(entry), prompts: prompts(entry.environment), ledger: &counts)
            }
        }
        let table = posteriors.flatMap { $0.probabilities(sharpness: settings.sharpness).map { log(max($0, 1e-8)) } }
        let isRight = zip(posteriors, items).map { $0.prediction == context.dataset.items[$1].label }
        let right = isRight.count { $0 }
        logPosterior = Tensor(
            table.map(Float.init), shape: [items.count, context.classes.count], device: context.device)
        mask = Tensor(isRight.map { $0 || !settings.onlyWhereRight ? 1 : 0 }, device: context.device)
        rows = ItemRows(items)
        accuracy = Double(right) / Double(max(1, items.count))
        context.logger.info("the LDM classifies \(right) of \(items.count) training items rightly")
    }

    /// - Throws: `UserError` for an item that the run does not train on.
    public func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
        let indices = try rows(images.items).to(device: images.logits.device)
        let log = images.logits.logSoftmax(1)
        let divergence = (log.exp() * (log - logPosterior.indexSelect(0, indices))).sum([1])
        let loss = settings.weight * (divergence * mask.indexSelect(0, indices)).mean()
        return (loss, [Metric("posterior_loss", loss.item())] + ledger.preparation(.posteriors, step: step))
    }
}
