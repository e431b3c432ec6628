import Backbones
import DomainGeneralization
import Foundations
import Torch

extension LearningRateSchedule.Shape: SettingChoice {}
extension Classifier.HeadInitialization: SettingChoice {}

extension RunConfiguration {
    /// The settings of a run one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("preset", \.preset, "the preset that the settings started from; recorded"),
        Setting("variant", \.variant, "what tables call the run; empty takes the algorithm's name"),
        Setting("data", \.data, "the data set's folder"),
        Setting("testDomains", \.testDomains, "domains that are held out of training"),
        Setting("oracle", \.oracle, "trains on the held-out domains, too: an upper bound, not a result"),
        .group("algorithm", \.algorithm, "how the classifier is trained"),
        Setting("terms", \.terms, "terms that are added to the algorithm's loss, by name, each with its settings"),
        Setting("images", \.images, "what makes further images to train on, by name, each with its settings"),
        Setting("features", \.features, "features of a frozen network, which the classifier takes beside its own"),
        Setting("diffusion", \.diffusion, "the diffusion model that terms, images and features ask"),
        .group("generated", \.generated, "images that were generated before training"),
        .group("backbone", \.backbone, "the network under the classifier"),
        Setting("steps", \.steps, "training steps", .within(1...largestCount)),
        Setting("batchSize", \.batchSize, "images of each source domain in a step", .within(1...65_536)),
        Setting("sampling", \.sampling, "how a step's images are drawn from their domain"),
        Setting(
            "accumulation", \.accumulation,
            "parts that a step's images go through the network in, whose gradients add up: less memory, more time",
            .within(1...65_536)),
        Setting("learningRate", \.learningRate, "Adam's learning rate; where it falls, the first step's", .above(0)),
        Setting("learningRateSchedule", \.learningRateSchedule, "how the learning rate goes on"),
        Setting("weightDecay", \.weightDecay, "weight of the squared parameters in the loss", .atLeast(0)),
        Setting("imageSize", \.imageSize, "side of the square images, in pixels", .imageSize),
        Setting("augmentation", \.augmentation, "what happens to an image before it is trained on"),
        Setting(
            "holdoutFraction", \.holdoutFraction, "share of every domain that is kept for validation", .within(0..<1)),
        Setting(
            "adaptationFraction", \.adaptationFraction,
            "share of a held-out domain's in part that is kept for domain adaptation", .within(0..<1)),
        Setting("classBalanced", \.classBalanced, "draws the classes of a domain equally often"),
        Setting("seed", \.seed, "seeds the split, the parameters, the draws of images and the algorithm", .seed),
        Setting("draw", \.draw, "the random draw that hyperparameters came from; 0 for none; recorded", .seed),
        Setting("evaluateEvery", \.evaluateEvery, "steps between two evaluations", .within(1...largestCount)),
        Setting("evaluateTraining", \.evaluateTraining, "evaluates the sources' training items, too"),
        .group("averaging", \.averaging, "a second model, averaged over the run's steps"),
        Setting("saveEvery", \.saveEvery, "steps between two checkpoints", .within(1...largestCount)),
        Setting("device", \.device, "auto, cpu, cuda, cuda:1 …"),
        Setting("skipCorrupt", \.skipCorrupt, "leaves out images that cannot be read instead of stopping"),
        Setting("store", \.store, "the folder of results of diffusion models that runs share"),
    ]
}

extension RunConfiguration.Algorithm {
    /// The algorithm's name and its settings.
    public static let fields: [Setting<Self>] = [
        Setting("name", \.name, "an algorithm of the list below"),
        Setting("hyperparameters", \.hyperparameters, "its own settings; the others are at their defaults"),
    ]
}

extension RunConfiguration.Generated {
    /// Where the images lie, and which are taken.
    public static let fields: [Setting<Self>] = [
        Setting("folder", \.folder, "their folder, as domainfusion generate made it; empty for none"),
        Setting(
            "heldStyles", \.heldStyles, "takes those in the held-out domains' styles, too: not domain generalization"),
        Setting(
            "environments", \.environments,
            "whether they join the domains, or those of each pair of domains are an environment of their own"
        ),
    ]
}

extension RunConfiguration.Backbone {
    /// The backbone's settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("name", \.name, "a network of the list above"),
        Setting("weights", \.weights, "a file, auto for ImageNet weights that are installed, or none"),
        Setting(
            "batchNormMomentum", \.batchNormMomentum, "weight of a step's statistics in batch norm's own",
            .within(0...1)),
        Setting("freezeBatchNorm", \.freezeBatchNorm, "keeps the pretrained batch-norm statistics"),
        Setting(
            "syncBatchNorm", \.syncBatchNorm,
            "takes batch norm's statistics over the images of all processes, not of each process's own"),
        Setting(
            "dropConnect", \.dropConnect, "share of residual branches that a step leaves out (stochastic depth)",
            .within(0...1)),
        Setting("dropout", \.dropout, "share of features that a step leaves out", .within(0...1)),
        Setting("linearProbe", \.linearProbe, "trains the linear layer over the features alone"),
        Setting(
            "layerDecay", \.layerDecay, "factor on the learning rate from each layer to the one below it",
            .within(0...1)),
        Setting("headInitialization", \.headInitialization, "what the linear layer begins with"),
        Setting("headRate", \.headRate, "factor on the linear layer's learning rate", .above(0)),
        Setting(
            "gradientCheckpointing", \.gradientCheckpointing,
            "less memory and more time for the same numbers: maps are computed again for the gradient"),
    ]
}

extension Limit where Value == Int {
    /// Sides of images, in pixels.
    fileprivate static var imageSize: Limit {
        Limit(text: "32…8192") { size in
            if size < 32 { return "\(size) is under 32 pixels, the least that the backbones take" }
            return size > 8192 ? "\(size) is above 8192 pixels" : nil
        }
    }
}
