import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation

/// The settings of a training run on the command line; whatever is not given comes from the file or the preset.
struct TrainOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Starting values: small (EfficientNet-Lite0, 64 pixels, 300 steps) or domainbed (ResNet-50, 224 pixels, "
                + "5,000 steps, batch norm frozen)."))
    var preset: RunConfiguration.Preset = .small

    @Option(name: .customLong("config"), help: "A YAML file with settings, as the config.yaml of a run.")
    var configurationFile: String?

    @Option(help: "The data set's folder: DIR/<domain>/<class>/<image>, or the name of one under data/.")
    var data: String?

    @Option(name: .customLong("test-domain"), help: "The domain to hold out; several with commas.")
    var testDomains: String?

    @Option(help: "How to train; 'domainfusion info' lists the algorithms and their hyperparameters.")
    var algorithm: String?

    @Option(help: "The network: efficientnet_lite0 … 4, resnet18, 34, 50 or 101.")
    var backbone: String?

    @Option(help: "Pretrained weights: a .safetensors or .pth file, auto (those installed) or none.")
    var weights: String?

    @Option(help: "Optimisation steps.")
    var steps: Int?

    @Option(help: "Images of each source domain in a step.")
    var batchSize: Int?

    @Option(help: "Adam's learning rate.")
    var learningRate: Double?

    @Option(help: "Adam's weight decay.")
    var weightDecay: Double?

    @Option(help: "Side of the images in pixels.")
    var imageSize: Int?

    @Option(
        help: ArgumentHelp(
            "What happens to training images: domainbed (crop, flip, colour jitter, grey; its brightness factor turns a "
                + "white ground grey), crop-flip or none."))
    var augmentation: Augmentation?

    @Option(help: "Seeds the split, the parameters and every draw.")
    var seed: Int?

    @Option(help: "Steps between evaluations.")
    var evaluateEvery: Int?

    @Option(help: "Steps between checkpoints.")
    var saveEvery: Int?

    @Option(help: "auto, cpu, cuda, cuda:INDEX or mps.")
    var device: String?

    @Option(help: "The folder of diffusion results that runs share.")
    var store: String?

    @Flag(help: "Train on the held-out domain, too: an upper bound for comparison.")
    var oracle = false

    @Flag(help: "Leave out images that cannot be read instead of stopping.")
    var skipCorrupt = false

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Any setting by its name in the YAML file; may be repeated.", valueName: "name=value"))
    var settings: [String] = []

    /// The whole configuration: preset, then file, then options, then `--set`.
    /// - Throws: ``UserError`` for an unknown setting or an impossible value.
    func configuration() throws -> RunConfiguration {
        var result = RunConfiguration(preset: preset)
        if let file = configurationFile { result = try result.changed(by: YAML.read(file), source: file) }
        if let data { result.data = data }
        if let testDomains {
            result.testDomains = testDomains.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        }
        if let algorithm, algorithm != result.algorithm.name {
            result.algorithm = RunConfiguration.Algorithm(name: algorithm)
        }
        if let backbone { result.backbone.name = backbone }
        if let weights { result.backbone.weights = weights }
        if let steps { result.steps = steps }
        if let batchSize { result.batchSize = batchSize }
        if let learningRate { result.learningRate = learningRate }
        if let weightDecay { result.weightDecay = weightDecay }
        if let imageSize { result.imageSize = imageSize }
        if let augmentation { result.augmentation = augmentation }
        if let seed { result.seed = seed }
        if let evaluateEvery { result.evaluateEvery = evaluateEvery }
        if let saveEvery { result.saveEvery = saveEvery }
        if let device { result.device = device }
        if let store { result.store = store }
        if oracle { result.oracle = true }
        if skipCorrupt { result.skipCorrupt = true }
        for setting in settings { result = try result.changed(bySetting: setting) }
        result.data = KnownDataset.locate(result.data)
        return result
    }
}

extension RunConfiguration.Preset: ExpressibleByArgument {}
extension Augmentation: ExpressibleByArgument {}
