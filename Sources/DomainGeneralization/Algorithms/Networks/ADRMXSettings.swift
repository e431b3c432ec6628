import Foundations

/// The settings of ``ADRMX``, set by `algorithm.hyperparameters.NAME`.
public struct ADRMXSettings: Hyperparameters {
    /// γ: weight of the contrastive losses.
    public var contrastWeight = 1.0
    /// α: weight of the domain's cross-entropy by the domain features.
    public var domainWeight = 1.0
    /// δ: weight of the discriminator's loss.
    public var adversarialWeight = 0.75
    /// β: weight of the remixed images' loss.
    public var remixWeight = 1.0
    /// Steps of the discriminator for one of the networks.
    public var discriminatorSteps = 2
    /// Adam's β₁ of both; β₂ is 0.9.
    public var beta1 = 0.5
    /// Width of the discriminator's hidden layers.
    public var width = 256
    /// Number of linear layers of the discriminator.
    public var depth = 9
    /// Probability that a number of the discriminator's hidden layers is zeroed.
    public var dropout = 0.0

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean, their bounds, what a random search draws, and DomainBed's names.
    public static let fields: [Setting<Self>] = [
        Setting(
            "contrastWeight", \.contrastWeight, "weight of the contrastive losses", .atLeast(0),
            search: .choice([1.0]), domainBed: "cnt_lambda"),
        Setting(
            "domainWeight", \.domainWeight, "weight of the domain's cross-entropy by the domain features", .atLeast(0),
            search: .choice([1.0]), domainBed: "dclf_lambda"),
        Setting(
            "adversarialWeight", \.adversarialWeight, "weight of the discriminator's loss in the networks'",
            .atLeast(0), search: .choice([0.75]), domainBed: "disc_lambda"),
        Setting(
            "remixWeight", \.remixWeight, "weight of the remixed images' loss", .atLeast(0), search: .choice([1.0]),
            domainBed: "rmxd_lambda"),
        Setting(
            "discriminatorSteps", \.discriminatorSteps, "steps of the discriminator for one of the networks",
            .atLeast(1), search: .choice([2]), domainBed: "d_steps_per_g_step"),
        Setting("beta1", \.beta1, "Adam's first decay, of both", .within(0...0.9999), search: .choice([0.5])),
        Setting(
            "width", \.width, "width of the discriminator's hidden layers", .within(1...8192), search: .choice([256]),
            domainBed: "mlp_width"),
        Setting(
            "depth", \.depth, "layers of the discriminator", .within(2...16), search: .choice([8, 9, 10]),
            domainBed: "mlp_depth"),
        Setting(
            "dropout", \.dropout, "dropout in the discriminator", .within(0...1), search: .choice([0.0]),
            domainBed: "mlp_dropout"),
    ]

    /// DomainBed searches the learning rate of ADRMX in ranges of its own.
    public static let runSearch = [
        SearchRange("learningRate", of: .run, as: "lr", default: .double(3e-5), .choice([2e-5, 3e-5, 4e-5, 5e-5]))
            .on(.smallImages, default: .double(3e-3), .choice([5e-4, 1e-3, 2e-3, 3e-3]))
    ]
}
