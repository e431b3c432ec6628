import Backbones
import DomainGeneralization
import Foundation
import Foundations
import Torch

/// Everything that a training run depends on: a run can be repeated from its `config.yaml` alone.
public struct RunConfiguration: Hyperparameters, Equatable {
    /// The preset that the settings started from, by its name; the run records in what it deviates.
    public var preset = Preset.small1.rawValue
    /// What tables call the run; the algorithm's name where it is empty.
    public var variant = ""
    /// The data set's folder.
    public var data = "data/EmojiDG"
    /// Domains that are held out of training.
    public var testDomains: [String] = []
    /// Trains on the held-out domains, too: an upper bound, not a result.
    public var oracle = false
    /// How the classifier is trained.
    public var algorithm = Algorithm()
    /// Terms that are added to the algorithm's loss, by name, each with its settings: `terms: {ld: {weight: 0.5}}`.
    public var terms: [String: JSONValue]?
    /// What makes images that the algorithm trains on beside the source images, by name, each with its settings.
    public var images: [String: JSONValue]?
    /// Features of a frozen network that the classifier takes beside its own, by name, with their settings.
    public var features: [String: JSONValue]?
    /// The diffusion model that terms, images and features ask: `DiffusionModelSettings`.
    public var diffusion: [String: JSONValue]?
    /// Images that were generated before training.
    public var generated = Generated()
    /// The network that is trained.
    public var backbone = Backbone()
    /// Optimisation steps of the run.
    public var steps = 300
    /// Images of each source domain in a step.
    public var batchSize = 16
    /// How a step's images are drawn from their domain.
    public var sampling = Sampling.replacement
    /// Parts that a step's images go through the network in, one after the other, for less memory.
    public var accumulation = 1
    /// Adam's learning rate; where it falls, the first step's.
    public var learningRate = 3e-4
    /// How the learning rate goes on.
    public var learningRateSchedule = LearningRateSchedule.Shape.constant
    /// Adam's weight decay; 0 is none.
    public var weightDecay = 0.0
    /// Side of the square images, in pixels.
    public var imageSize = 64
    /// What happens to training images.
    public var augmentation = Augmentation.domainbed
    /// Share of every domain that is kept for validation.
    public var holdoutFraction = 0.2
    /// Share of a held-out domain's *in* part that is kept for domain adaptation (DomainBed's uda).
    public var adaptationFraction = 0.0
    /// Draws the classes of a domain equally often.
    public var classBalanced = false
    /// Seeds the split, the parameters, the draws of images and the algorithm.
    public var seed = 0
    /// The random draw that hyperparameters came from (DomainBed's hparams_seed); 0 for none. Recorded.
    public var draw = 0
    /// Steps between two evaluations.
    public var evaluateEvery = 100
    /// Evaluates the sources' training items, too (DomainBed does; it costs time).
    public var evaluateTraining = false
    /// A second model, averaged over the run's steps.
    public var averaging = AveragingSettings()
    /// Steps between two checkpoints.
    public var saveEvery = 100
    /// Where the classifier computes: `auto`, `cpu`, `cuda`, `cuda:INDEX` or `mps`.
    public var device = "auto"
    /// Leaves out images that cannot be read instead of stopping.
    public var skipCorrupt = false
    /// The folder of results of diffusion models that runs share.
    public var store = "store"

    /// The algorithm of a run and its settings.
    public struct Algorithm: Hyperparameters, Equatable {
        /// The algorithm's name in the registry.
        public var name = "ERM"
        /// The algorithm's own settings by name; the others are at their defaults.
        public var hyperparameters = JSONValue.object([:])

        /// ERM, which has no settings.
        public init() {}

        /// An algorithm with all settings at their defaults.
        public init(name: String) {
            self.name = name
        }
    }

    /// Images that `domainfusion generate` made of the data set before training.
    public struct Generated: Hyperparameters, Equatable {
        /// Their folder; empty for none.
        public var folder = ""
        /// Takes images in the styles of held-out domains, too (CDGA*): their descriptions then are no secret to the training, and its
        /// figures are no domain generalization.
        public var heldStyles = false
        /// The environments that they are in.
        public var environments = Environments.joined

        /// What generated images are beside the data set's domains.
        public enum Environments: String, SettingChoice {
            /// Each joins the domain of its source image, or of the two that it lies between the one with the larger share.
            case joined
            /// Those of two domains, one and another, are an environment of their own, with minibatches of their own (FDS).
            case pairs
        }

        /// No generated images: trains on the data set alone.
        public init() {}

        /// What tables call a run with them.
        var name: String? {
            guard !folder.isEmpty else { return nil }
            return "generated" + (environments == .pairs ? " pairs" : "") + (heldStyles ? "*" : "")
        }
    }

    /// The network of a run, its weights, and how it is trained.
    public struct Backbone: Hyperparameters, Equatable {
        /// The network's name, as `domainfusion info` lists it.
        public var name = "tf_efficientnet_lite0"
        /// A file, `auto` for ImageNet weights that are installed, or `none`.
        public var weights = "auto"
        /// Weight of a batch in batch norm's running statistics, 0…1.
        public var batchNormMomentum = 0.1
        /// Keeps the pretrained batch-norm statistics.
        public var freezeBatchNorm = false
        /// Takes batch norm's statistics over the images of all processes that train together.
        public var syncBatchNorm = true
        /// Probability that an image skips the last residual branch (stochastic depth); 0 is off.
        public var dropConnect = 0.0
        /// Probability that a feature is zeroed in training.
        public var dropout = 0.0
        /// Trains the linear layer over the features alone.
        public var linearProbe = false
        /// Factor on the learning rate from each layer to the one below it; 1 is one rate for all.
        public var layerDecay = 1.0
        /// What the linear layer begins with.
        public var headInitialization = Classifier.HeadInitialization.uniform
        /// Factor on the linear layer's learning rate.
        public var headRate = 1.0
        /// Keeps only what goes into residual branches for the gradient and computes the rest again: less memory, more time,
        /// the same numbers.
        public var gradientCheckpointing = false

        /// EfficientNet-Lite0 with ImageNet weights, trained as a whole.
        public init() {}
    }

    /// The preset `small-1`: what a setting is in a run's folder whose file does not name it.
    public init() {}

    /// What tables call the run: an oracle's figures are never among those of the algorithm itself.
    package func methodName(_ algorithm: String) -> String {
        guard variant.isEmpty else { return variant }
        let additions =
            (terms ?? [:]).keys.sorted() + (images ?? [:]).keys.sorted()
            + (features ?? [:]).keys.sorted().map { "\($0) features" }
            + (generated.name.map { [$0] } ?? [])
        return ([algorithm] + additions).joined(separator: " + ") + (oracle ? " (oracle)" : "")
    }

    /// These settings with `changes` put over them: a configuration file's content.
    /// - Throws: `UserError` for an unknown setting (with near misses) or a wrong kind of value.
    public func changed(by changes: JSONValue, source: String) throws -> RunConfiguration {
        guard var members = changes.object else {
            throw UserError("\(source): no settings in it, but \(changes.kindName)")
        }
        var result = self
        // The names of hyperparameters depend on the algorithm, which checks them.
        if case .object(var algorithm) = members["algorithm"], let given = algorithm["hyperparameters"] {
            algorithm["hyperparameters"] = nil
            members["algorithm"] = .object(algorithm)
            guard given.object != nil else {
                throw UserError("\(source): algorithm.hyperparameters takes a group of settings, not \(given.text)")
            }
            result.algorithm.hyperparameters = result.algorithm.hyperparameters.overlaid(by: given)
        }
        // Nor those of additions.
        for (name, path) in Self.additions {
            guard let given = members.removeValue(forKey: name) else { continue }
            guard let groups = given.object, name == "diffusion" || groups.values.allSatisfy({ $0.object != nil })
            else {
                throw UserError("\(source): \(name) takes a group of settings for each name, not \(given.text)")
            }
            result[keyPath: path] = JSONValue.object(result[keyPath: path] ?? [:]).overlaid(by: given).object
        }
        var known = result
        known.algorithm.hyperparameters = [:]
        for (_, path) in Self.additions { known[keyPath: path] = nil }
        known = try DomainGeneralization.changed(known, by: .object(members), path: source)
        known.algorithm.hyperparameters = result.algorithm.hyperparameters
        for (_, path) in Self.additions { known[keyPath: path] = result[keyPath: path] }
        return known
    }

    /// The settings whose names depend on what is added to the algorithm.
    private static var additions: [(String, WritableKeyPath<RunConfiguration, [String: JSONValue]?>)] {
        [("terms", \.terms), ("images", \.images), ("features", \.features), ("diffusion", \.diffusion)]
    }

    /// These settings with one changed: `algorithm.hyperparameters.strength=0.5`.
    public func changed(bySetting text: String) throws -> RunConfiguration {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw UserError("--set \(text): write it as name=value, for instance --set backbone.dropout=0.1")
        }
        // These are where other settings come from, which it is too late for.
        if ["preset", "draw"].contains(text[..<equals]) {
            throw UserError("--set \(text): only recorded there; use --\(text[..<equals])")
        }
        let value = try YAML.parse(String(text[text.index(after: equals)...]), name: "--set \(text)")
        return try changed(by: JSONValue(value, at: String(text[..<equals])), source: "--set")
    }

    /// Checks every setting and every rule.
    /// - Throws: `UserError` naming a value that is out of range.
    public func validate() throws {
        guard !testDomains.isEmpty else { throw UserError("no domain is held out; name one with --test-domain") }
        try validate(path: "")
        _ = try Preset(named: preset)
    }

    /// The data set that the run was made of.
    /// - Parameter moved: the folder that it lies in now, where the user says so.
    /// - Throws: `UserError`; for a folder that is no more, with the option that names another.
    public func dataset(movedTo moved: String? = nil) throws -> ImageFolder {
        guard moved != nil || Files.isFolder(data) else {
            throw UserError(
                "\(data): no such folder, which the run's data were in; if they were moved, name their folder with --data"
            )
        }
        return try ImageFolder(moved ?? data)
    }

    /// Refuses a weights file where nobody named the network that it is of, and it does not say that itself.
    /// - Throws: `UserError` naming the networks of the same keys, or an error for a file that cannot be read.
    public func refuseUnnamedWeights() throws {
        let file = backbone.weights
        let description = try Backbones.named(backbone.name)
        guard file != "auto", file != "none", let twin = description.twin, Files.exists(file),
            try description.isAmbiguous(StateDict(contentsOf: file), file: file)
        else { return }
        throw UserError(
            "\(file): does not say which network its weights are of; name it with --backbone (\(description.name) and "
                + "\(twin) have the same keys, and compute other numbers)")
    }

    /// The options of the backbone's classifier.
    var classifierOptions: Classifier.Options {
        Classifier.Options(
            backbone: BackboneOptions(
                batchNormMomentum: backbone.batchNormMomentum, freezeBatchNorm: backbone.freezeBatchNorm,
                dropConnect: backbone.dropConnect, gradientCheckpointing: backbone.gradientCheckpointing),
            dropout: backbone.dropout, linearProbe: backbone.linearProbe,
            layerDecay: backbone.layerDecay, headInitialization: backbone.headInitialization,
            headRate: backbone.headRate)
    }
}
