import DomainGeneralization

/// Settings of cross-domain generative augmentation (CDGA, https://arxiv.org/abs/2312.05387).
public struct CrossDomainSettings: Hyperparameters, Equatable {
    /// Words for the style of each domain.
    public var styles: [String: String] = [:]
    /// What an image is asked for: `{class}` or `{a class}`, and `{style}` or `{a style}` of the domain that it is to look like; empty
    /// for nothing.
    public var prompt = "a {class}, {style}"
    /// K, the images for each source image and domain.
    public var copies = 1
    /// Share of the noise that an image starts from.
    public var strength = 0.75
    /// Weight of the prompt (classifier-free guidance); 1 is none.
    public var guidanceScale = 7.5
    /// Denoising steps from pure noise; an image takes a share of them, as strength says.
    public var steps = 50
    /// Images in one call of the diffusion model.
    public var batchSize = 16
    /// Seeds the noise.
    public var seed = 0

    /// Every setting at its default, the paper's.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("styles", \.styles, "words for the style of each domain"),
        Setting(
            "prompt", \.prompt, "what an image is asked for, with {class} and {style}; empty for nothing",
            .promptOrEmpty),
        Setting("copies", \.copies, "images for each source image and domain", .within(1...1_000_000)),
        Setting("strength", \.strength, "share of the noise that an image starts from", .above(0, atMost: 1)),
        Setting("guidanceScale", \.guidanceScale, "classifier-free guidance; 1 is none", .atLeast(1)),
        Setting("steps", \.steps, "denoising steps from pure noise", .within(1...1_000_000)),
        Setting("batchSize", \.batchSize, "images in one call of the diffusion model", .within(1...65_536)),
        Setting("seed", \.seed, "seeds the noise", .seed),
    ]

    /// What settings that are right each by itself must not be together.
    public static let rules: [SettingRule<Self>] = [
        SettingRule("steps") {
            Double($0.steps) * $0.strength >= 1 ? nil : "must be enough for one step at this strength"
        }
    ]

    /// The words that the paper has for the domains of public data sets (its appendix); none for others.
    public static func publishedStyles(of dataset: String) -> [String: String] {
        switch KnownDataset.named(dataset)?.name {
        case "PACS":
            [
                "art_painting": "art painting", "cartoon": "cartoon, cartoonish",
                "photo": "photorealistic, extremely detailed",
                "sketch": "sketch drawing, black and white, less details",
            ]
        case "OfficeHome":
            [
                "Art": "art painting, art", "Clipart": "clipart, schematic, simplified",
                "Product": "product, merchandise",
                "Real World": "real world, extremely detailed",
            ]
        case "DomainNet":
            [
                "clipart": "cartoon, cartoonish, drawing", "infograph": "infographic, data visualization, poster",
                "painting": "art painting", "quickdraw": "extremely simple drawing, black and white",
                "real": "photorealistic, extremely detailed", "sketch": "sketch drawing, black and white, less details",
            ]
        default: [:]
        }
    }
}
