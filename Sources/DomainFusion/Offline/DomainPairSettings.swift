import Diffusion
import DomainGeneralization

/// Settings of feedback-guided domain synthesis (FDS, WACV 2025, https://arxiv.org/abs/2407.03588): images between two domains.
///
/// Prompt, bounds, DDIM and its steps are those of the authors' program, which makes 32,000 images of each class and pair of PACS and
/// keeps 570. ``copies`` by default is ours.
public struct DomainPairSettings: Hyperparameters, Equatable {
    /// What an image is asked for: `{class}` or `{a class}`, and `{domain}`, or `{style}` for words of each domain.
    public var prompt = "{domain}, {class}"
    /// Words for the style of each domain, where the prompt asks for them.
    public var styles: [String: String] = [:]
    /// Images of each class and pair of domains.
    public var copies = 100
    /// Bounds of the share of the first domain's prompt, which is drawn evenly, to two decimals.
    public var lowestWeight = 0.3, highestWeight = 0.7
    /// Bounds of the weight of classifier-free guidance, which is drawn evenly, to one decimal.
    public var lowestGuidance = 4.0, highestGuidance = 6.0
    /// Denoising steps (DDIM).
    public var steps = 50
    /// Images in one call of the diffusion model.
    public var batchSize = 16
    /// Seeds the noise and the draws.
    public var seed = 0

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("prompt", \.prompt, "what an image is asked for, with {class} and {domain} or {style}", .prompt),
        Setting("styles", \.styles, "words for the style of each domain"),
        Setting("copies", \.copies, "images of each class and pair of domains", .within(1...1_000_000)),
        Setting("lowestWeight", \.lowestWeight, "least share of the first domain", .within(0...1)),
        Setting("highestWeight", \.highestWeight, "largest share of the first domain", .within(0...1)),
        Setting("lowestGuidance", \.lowestGuidance, "least classifier-free guidance", .atLeast(1)),
        Setting("highestGuidance", \.highestGuidance, "largest classifier-free guidance", .atLeast(1)),
        Setting("steps", \.steps, "denoising steps", .within(1...1_000_000)),
        Setting("batchSize", \.batchSize, "images in one call of the diffusion model", .within(1...65_536)),
        Setting("seed", \.seed, "seeds the noise and the draws", .seed),
    ]

    /// What settings that are right each by itself must not be together.
    public static let rules: [SettingRule<Self>] = [
        SettingRule("prompt") {
            Caption.namesStyle($0.prompt) || $0.prompt.contains("{domain}") || $0.prompt.contains("{a domain}")
                ? nil : "must have {domain} or {style} in it, or both domains of a pair are asked for the same"
        },
        SettingRule("highestWeight") { $0.highestWeight < $0.lowestWeight ? "must not be below lowestWeight" : nil },
        SettingRule("highestGuidance") {
            $0.highestGuidance < $0.lowestGuidance ? "must not be below lowestGuidance" : nil
        },
        // Images without guidance are computed in another way, and must not depend on what else is in a batch.
        SettingRule("lowestGuidance") {
            $0.lowestGuidance == 1 && $0.highestGuidance > 1 ? "must be above 1 where some images are guided" : nil
        },
    ]

    /// What an image is made with.
    var generation: GenerationSettings {
        GenerationSettings(steps: steps, guidanceScale: highestGuidance).withDDIM
    }
}
