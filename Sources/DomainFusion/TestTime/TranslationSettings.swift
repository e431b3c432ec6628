import Diffusion
import DomainGeneralization

/// Settings of the translation of test images towards the source domains: distribution shift inversion (DSI), or the edit by prompt.
public struct TranslationSettings: Hyperparameters, Equatable {
    /// Levels of noise s that are tried one after the other, as shares of the noise schedule; 0 is the image as it is.
    ///
    /// DSI's released code looks at the image as it is first, and translates those alone whose class is not sure by then.
    public var noise = [0, 0.2, 0.4, 0.6, 0.8]
    /// τ, the largest probability above which a level's prediction is accepted; of several the one that is best on the source domains'
    /// validation images.
    public var thresholds = [0.9]
    /// What a translation is to show: `{domain}`, or `{style}` of the source domain, with or without an article; empty for DSI.
    public var prompt = ""
    /// Weight of the prompt (classifier-free guidance); 1 is none.
    public var guidanceScale = 1.0
    /// Denoising steps from pure noise; a translation takes a share of them, as its noise says.
    public var steps = 50
    /// The sampler that denoises; DSI has DDIM.
    public var scheduler = SchedulerChoice.ddim
    /// Images in one call of the diffusion model.
    public var batchSize = 16
    /// Seeds the noise.
    public var seed = 0

    /// Distribution shift inversion: every setting at its default.
    public init() {}

    /// The edit by prompt (https://arxiv.org/abs/2512.13454): the source domain's style in the prompt, with guidance.
    public static let edit = {
        var settings = TranslationSettings()
        settings.prompt = "{style}"
        settings.guidanceScale = 7.5
        return settings
    }()

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("noise", \.noise, "levels of noise that are tried in turn; 0 is the image as it is", .noiseLevels),
        Setting(
            "thresholds", \.thresholds,
            "largest probability above which a prediction is accepted; of several the best on the sources' validation images",
            .each(.within(0..<1), example: "[0.9]")),
        Setting("prompt", \.prompt, "what a translation shows, with {style} or {domain}; empty for DSI", .sourcePrompt),
        Setting("guidanceScale", \.guidanceScale, "classifier-free guidance; 1 is none", .atLeast(1)),
        Setting("steps", \.steps, "denoising steps from pure noise", .within(1...1_000_000)),
        Setting("scheduler", \.scheduler, "the sampler"),
        Setting("batchSize", \.batchSize, "images in one call of the diffusion model", .within(1...65_536)),
        Setting("seed", \.seed, "seeds the noise", .seed),
    ]

    /// What settings that are right each by itself must not be together.
    public static let rules: [SettingRule<Self>] = [
        SettingRule("steps") { settings in
            let least = settings.noise.first { $0 > 0 } ?? 1
            return Double(settings.steps) * least >= 1 ? nil : "must be enough for one step at noise \(least)"
        }
    ]

    /// How a model denoises from a level of noise.
    func generation(noise: Double) -> GenerationSettings {
        GenerationSettings(
            steps: steps, guidanceScale: guidanceScale, strength: noise, scheduler: scheduler.className)
    }
}

extension Limit where Value == [Double] {
    fileprivate static var noiseLevels: Limit {
        Limit(text: "0…1, rising") { levels in
            if levels.isEmpty { return "is empty; give for instance [0, 0.2, 0.4]" }
            if let wrong = levels.first(where: { !(0...1).contains($0) }) { return "\(wrong) is not in 0…1" }
            return zip(levels, levels.dropFirst()).allSatisfy { $0 < $1 } ? nil : "must rise from level to level"
        }
    }
}

extension Limit where Value == String {
    /// No class: which one it is, is what the translation is to find out.
    fileprivate static var sourcePrompt: Limit {
        Limit("a text without {class}: the class is not known") { !$0.contains("{class}") && !$0.contains("{a class}") }
    }
}
