import DomainGeneralization

/// Which generated images are kept: the rule of FDS (https://arxiv.org/abs/2407.03588, section 3.3) and what else tells good ones.
public struct SelectionSettings: Hyperparameters, Equatable {
    /// What is kept first of a class and a pair of domains.
    public enum Order: String, SettingChoice {
        /// Those that the judge is least sure of: FDS.
        case entropy
        /// Any: the control.
        case random
    }

    /// Keeps what the judge classifies rightly.
    public var correct = false
    /// The least probability that the judge gives the class.
    public var confidence = 0.0
    /// How far at least an image differs from its source image: the mean over pixels and channels, 0…1.
    public var change = 0.0
    /// Images that are kept of each class and pair of domains at most; 0 for all.
    public var keep = 0
    /// Share of the images of each class and pair of domains that is kept, of those that are left by the other filters.
    public var share = 1.0
    /// Which are kept first.
    public var order = Order.entropy
    /// Seeds the order `random`.
    public var seed = 0

    /// Every setting at its default: all images but copies of each other.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("correct", \.correct, "keeps what the judge classifies rightly"),
        Setting("confidence", \.confidence, "least probability that the judge gives the class", .within(0...1)),
        Setting("change", \.change, "least mean difference from the source image, 0…1", .within(0...1)),
        Setting("keep", \.keep, "images kept of each class and pair of domains; 0 for all", .atLeast(0)),
        Setting("share", \.share, "share kept of each class and pair of domains", .above(0, atMost: 1)),
        Setting("order", \.order, "which are kept first"),
        Setting("seed", \.seed, "seeds the order random", .seed),
    ]

    /// Whether only some of those that no other filter drops are kept.
    var limits: Bool { keep > 0 || share < 1 }

    /// Whether a judge is needed.
    var asksJudge: Bool { correct || confidence > 0 || limits && order == .entropy }
}
