import DomainGeneralization
import Foundations

/// Settings of latent distillation (LD): how a frozen latent diffusion model judges an image darkened by the
/// classifier's confidence.
public struct LatentDistillationSettings: Hyperparameters, Equatable {
    /// Where the gradient comes from; see ``LatentDistillationTerm``.
    public enum Mode: String, SettingChoice {
        /// No latent distillation.
        case off
        /// Autograd through the VAE encoder: the paper's formulation, the reference of the others.
        case autograd
        /// The same gradient without autograd through the LDM, on the augmented view, one draw an image a step.
        case online
        /// The latents and their derivative interpolated over p; one U-Net pass a step.
        case latentCurve = "latent-curve"
        /// A table of G(p) for each image: no LDM in the training loop.
        case curve
    }

    /// w(t), the weight of a time step.
    public enum TimeWeight: String, SettingChoice {
        /// The same for all time steps.
        case one = "1"
        /// 1 − ᾱ: noisy steps count most, as in score distillation.
        case noise = "1-alpha"
        /// √ᾱ: steps with little noise count most.
        case signal = "sqrt-alpha"
    }

    /// How the confidence p changes the image x in [0, 1].
    public enum Scaling: String, SettingChoice {
        /// p·x: a low confidence darkens.
        case black
        /// p·(2x − 1) in [−1, 1]: a low confidence greys.
        case grey
    }

    /// What of the classifier the loss sees.
    public enum Channel: String, SettingChoice {
        /// The confidence: one number an image, as in the paper.
        case scalar
        /// The confidence at each place of the classifier's last maps, enlarged to the image: p(place)·x in the place of p·x.
        case mask
    }

    /// What is differentiated by the latents.
    public enum Objective: String, SettingChoice {
        /// Score distillation: the U-Net's Jacobian is dropped.
        case distillation
        /// The error itself, through the U-Net too.
        case full
    }

    /// A replacement of g that keeps its size but not its meaning.
    public enum Control: String, SettingChoice {
        /// g as it is.
        case none
        /// The batch's mean for every image: LD becomes a mean-absolute-error loss of the same size.
        case constant
        /// g of other images of the batch.
        case shuffled
    }

    /// Where the gradient comes from.
    public var mode = Mode.curve
    /// λ, the factor of the term in the loss.
    public var weight = 1.0
    /// Weight of the prompt in the noise prediction (classifier-free guidance); 1 is none.
    public var guidanceScale = 7.5
    /// Range of the time steps as shares of the schedule.
    public var lowestTime = 0.02
    /// The highest time step, as a share of the schedule.
    public var highestTime = 0.98
    /// w(t), the weight of a time step.
    public var timeWeight = TimeWeight.noise
    /// How the confidence changes the image.
    public var scaling = Scaling.black
    /// What of the classifier the loss sees; a mask takes mode autograd, and a network whose features are a mean of maps.
    public var channel = Channel.scalar
    /// What is differentiated.
    public var objective = Objective.distillation
    /// A replacement of g that keeps its size but not its meaning; none by default.
    public var control = Control.none
    /// `{a class}` stands for the label with its article, `{a style}` for the style of the image's own domain.
    public var prompt = "a photo of {a class}"
    /// Chebyshev nodes in p of a curve. Curves bend: with the embedded model and guidance 7.5, 5 nodes miss 59 % of the direct
    /// value (root mean square), 9 nodes 40 %, 13 nodes 17 %, 17 nodes 12 % (Evidence/embedded/curves).
    public var nodes = 13
    /// Stratified draws of (t, ε), the same at every node of a curve.
    public var draws = 4
    /// Seeds the draws of time steps and noise.
    public var seed = 0

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("mode", \.mode, "where the gradient comes from"),
        Setting("weight", \.weight, "factor of the term in the loss", .atLeast(0)),
        Setting("guidanceScale", \.guidanceScale, "classifier-free guidance; 1 is none", .atLeast(1)),
        Setting("lowestTime", \.lowestTime, "lowest time step, as a share of the schedule", .within(0...1)),
        Setting("highestTime", \.highestTime, "highest time step, as a share of the schedule", .within(0...1)),
        Setting("timeWeight", \.timeWeight, "weight of a time step"),
        Setting("scaling", \.scaling, "what an image turns to where the classifier's confidence is low"),
        Setting("channel", \.channel, "what of the classifier the loss sees: one confidence an image, or one a place"),
        Setting("objective", \.objective, "what is differentiated: score distillation or the error itself"),
        Setting("control", \.control, "replaces the gradient, to see what its meaning is worth"),
        Setting("prompt", \.prompt, "what the LDM is asked for; {a style} is that of the image's domain", .prompt),
        Setting("nodes", \.nodes, "points in the confidence at which a curve is computed", .within(2...1000)),
        Setting("draws", \.draws, "draws of time step and noise that are averaged", .within(1...100_000)),
        Setting("seed", \.seed, "seeds the draws"),
    ]

    /// What settings that are right each by itself must not be together.
    public static let rules: [SettingRule<Self>] = [
        SettingRule("lowestTime") { $0.lowestTime < $0.highestTime ? nil : "must be below highestTime" },
        SettingRule("control") {
            $0.mode != .autograd || $0.control == .none
                ? nil : "must be none in mode autograd; mode online computes the same gradient"
        },
        SettingRule("channel") {
            $0.mode == .autograd || $0.channel == .scalar
                ? nil : "must be scalar in mode \($0.mode.rawValue); a mask takes mode autograd"
        },
        SettingRule("objective") {
            $0.mode != .latentCurve || $0.objective == .distillation
                ? nil : "must be distillation in mode latent-curve"
        },
    ]
}
