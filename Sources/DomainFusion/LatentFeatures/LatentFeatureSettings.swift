import Backbones
import Diffusion
import DomainGeneralization
import Foundations

/// Settings of the diffusion model's features that a classifier takes beside its own.
public struct LatentFeatureSettings: Hyperparameters, Equatable {
    /// How a block's maps become numbers.
    public enum Pooling: String, SettingChoice {
        /// The mean over all positions.
        case mean
        /// The largest value over all positions.
        case max
        /// The mean and the largest value.
        case meanAndMax = "mean+max"
    }

    /// The U-Net's block whose maps are taken: `down0` …, `mid`, `up0` … .
    public var block = "up0"
    /// Time steps of the noise schedule at which the image is noised; one U-Net pass each.
    public var times = [50, 200, 450]
    /// How a block's maps become numbers.
    public var pooling = Pooling.meanAndMax
    /// Where the features meet the classifier's own. On EmojiDG the features lose their say at the head as the backbone fits its images;
    /// with a classifier of their own they keep it (Evidence/latent-features.md).
    public var fusion = FrozenFeatureOptions.Fusion.late
    /// λ, the weight of the features' own classifier beside the network's, of late fusion.
    public var weight = 0.5
    /// Factor of half the squared coefficients in the fit of the features' own classifier, of late fusion.
    public var penalty = 0.1
    /// Probability that a feature is zeroed in training, of early fusion.
    public var dropout = 0.5
    /// An ImageNet network that is installed, whose frozen features have a classifier of their own beside these, of late fusion, with
    /// the same weight and penalty; none where it is empty.
    public var backbone = ""
    /// What takes the features' place, to find out what a gain is due to: ``LatentFeatureControl``.
    public var control = "none"
    /// Seeds the noise and the controls' draws: runs with the same one share features.
    public var seed = 0

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("block", \.block, "the U-Net's block whose maps are taken: down0 …, mid, up0 …", .block),
        Setting("times", \.times, "time steps at which the image is noised; one U-Net pass each", .times),
        Setting("pooling", \.pooling, "how a block's maps become numbers"),
        Setting(
            "fusion", \.fusion,
            "where the features meet the network: late, by a classifier of their own, or early, at the head"),
        Setting("weight", \.weight, "weight of the features' own classifier, of late fusion", .atLeast(0)),
        Setting("penalty", \.penalty, "weight of its squared coefficients in its fit, of late fusion", .above(0)),
        Setting("dropout", \.dropout, "share of the features that a step leaves out, of early fusion", .within(0..<1)),
        Setting(
            "backbone", \.backbone,
            "an ImageNet network that has a say beside the features, by its own frozen ones; empty is none"),
        Setting("control", \.control, "what takes the features' place, as a control", .control),
        Setting("seed", \.seed, "seeds the noise; runs with the same one share features", .seed),
    ]

    /// What settings that are right each by itself must not be together.
    public static let rules: [SettingRule<Self>] = [
        SettingRule("backbone") {
            guard !$0.backbone.isEmpty else { return nil }
            if $0.fusion == .early {
                return "must be empty, since fusion is early: the head takes one kind of features"
            }
            return $0.control == "shuffled"
                ? "must be empty, since the control is shuffled: its features would be another image's, too" : nil
        }
    ]
}

extension Limit where Value == String {
    fileprivate static var block: Limit {
        Limit(text: "down0, mid, up0 …") {
            UNetBlock($0) == nil ? "'\($0)' is no block; write down0, down1 …, mid, up0, up1 …" : nil
        }
    }

    fileprivate static var control: Limit {
        Limit(text: "none, \(LatentFeatureControl.forms)") {
            LatentFeatureControl($0) == nil ? "'\($0)' is none of none, \(LatentFeatureControl.forms)" : nil
        }
    }
}

extension Limit where Value == [Int] {
    fileprivate static var times: Limit {
        Limit(text: "1…1000 or what the model's schedule has") { times in
            if times.isEmpty { return "no time step; write for instance [50, 200, 450]" }
            if Set(times).count < times.count { return "a time step is there twice" }
            return times.first { $0 < 0 }.map { "\($0) is below 0" }
        }
    }
}

extension FrozenFeatureOptions.Fusion: SettingChoice {}
