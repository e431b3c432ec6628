import ArgumentParser
import Diffusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Torch

/// The settings on the command line that a single run and the runs of a sweep have in common.
struct SettingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Starting values: "
                + RunConfiguration.Preset.allCases.map { "\($0.rawValue) (\($0.summary))" }.joined(separator: "; ")
                + "."), completion: .list(RunConfiguration.Preset.allCases.map(\.rawValue)))
    var preset: String?

    @Option(
        name: .customLong("config"), help: "A YAML file with settings, as the config.yaml of a run.",
        completion: .file(extensions: ["yaml", "yml"]))
    var configurationFile: String?

    @Option(help: "The network, by timm's name; 'domainfusion info' lists them.", completion: .backbones)
    var backbone: String?

    @Option(
        help: "Pretrained weights: a file of PyTorch or safetensors, auto (those installed) or none.",
        completion: .weights)
    var weights: String?

    @Option(help: "Optimisation steps.")
    var steps: Int?

    @Option(help: "Images of each source domain in a step.")
    var batchSize: Int?

    @Option(help: "Adam's learning rate; where it falls, the first step's.")
    var learningRate: Double?

    @Option(help: "How the learning rate goes on: constant, linear or cosine (both down to 0).")
    var learningRateSchedule: LearningRateSchedule.Shape?

    @Option(help: "Adam's weight decay.")
    var weightDecay: Double?

    @Option(help: "Side of the images in pixels.")
    var imageSize: Int?

    @Option(
        help: ArgumentHelp(
            "What happens to training images: domainbed (crop, flip, colour jitter, grey; its brightness factor turns a "
                + "white ground grey), crop-flip or none."))
    var augmentation: Augmentation?

    @Option(help: "Steps between evaluations.")
    var evaluateEvery: Int?

    @Option(
        help: ArgumentHelp(
            "A second model, averaged over the run's steps: swad (the valley of the validation loss), swa, ema or none; "
                + "more with --set averaging.NAME=VALUE."))
    var average: AveragingSettings.Method?

    @Option(help: "Steps between checkpoints.")
    var saveEvery: Int?

    @Option(
        help: ArgumentHelp(
            "The latent diffusion model of an algorithm that takes one: \(LDMOption.forms). Only the small preset has one for "
                + "EmojiDG, the embedded one."), completion: .file())
    var ldm: String?

    @Option(
        help: "A folder with another autoencoder of the model's latents, such as TAESD: config.json and weights.",
        completion: .directory)
    var ldmVae: String?

    @Option(help: "The model's precision: float32, bfloat16 or float16; float32 by default.")
    var ldmDtype: ModelPrecision?

    @Option(
        name: .customLong("term"), parsing: .singleValue,
        help: ArgumentHelp(
            "Add a term to the algorithm's loss: ld (latent distillation), posterior, lfd, consistency or teacher; its settings are "
                + "terms.NAME.…, the model's diffusion.… . May be repeated.", valueName: "name"),
        completion: .list(Additions.terms.map(\.name)))
    var terms: [String] = []

    @Option(
        name: .customLong("images"), parsing: .singleValue,
        help: ArgumentHelp(
            "Add images to the minibatches: ola (online lightweight augmentation); its settings are images.NAME.… .",
            valueName: "name"), completion: .list(Additions.images.map(\.name)))
    var images: [String] = []

    @Option(
        name: .customLong("features"), parsing: .singleValue,
        help: ArgumentHelp(
            "Give the classifier features of a frozen network beside its own: ldm (the diffusion model's U-Net); their "
                + "settings are features.NAME.… .", valueName: "name"),
        completion: .list(Additions.features.map(\.name)))
    var features: [String] = []

    @Option(
        help: ArgumentHelp(
            "Train on the images of this folder, too, which 'domainfusion generate' made of the data set or selected; "
                + "--set generated.environments=pairs trains on those of two domains as an environment of their own (FDS).",
            valueName: "dir"), completion: .directory)
    var generated: String?

    @OptionGroup var placement: DeviceOption

    @OptionGroup var storing: StoreOption

    @Flag(help: "Leave out images that cannot be read instead of stopping.")
    var skipCorrupt = false

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Any setting by its name in the YAML file; may be repeated.", valueName: "name=value"))
    var settings: [String] = []

    /// The whole configuration: preset, then draw, then file, then options, then `--set`.
    /// - Parameters:
    ///   - data: a folder or a data set's name; like the others nil where the file or the preset says it.
    ///   - testDomains: as ``DomainNames`` takes them.
    /// - Throws: ``UserError`` for an unknown setting or an impossible value.
    func configuration(
        data: String?, testDomains: [String]?, algorithm: String?, seed: Int?, draw: Int?
    ) throws -> RunConfiguration {
        var file = try configurationFile.map { try YAML.read($0) }
        if let algorithm, case .object(var members) = file, members["algorithm"]?["name"]?.string != algorithm {
            // The file's hyperparameters are another algorithm's.
            members["algorithm"] = nil
            file = .object(members)
        }
        let folder = KnownDataset.locate(data ?? file?["data"]?.string ?? RunConfiguration().data)
        /// The settings up to the file's, of a preset and a draw.
        func base(_ preset: RunConfiguration.Preset, draw: Int) throws -> RunConfiguration {
            let name = algorithm ?? file?["algorithm"]?["name"]?.string
            var result = RunConfiguration(preset: preset, dataset: folder, algorithm: name)
            result.data = folder
            result.seed = seed ?? file?["seed"]?.int ?? result.seed
            result = try result.drawing(draw, registry: .all)
            if let file, let path = configurationFile { result = try result.changed(by: file, source: path) }
            result.data = folder
            (result.preset, result.draw) = (preset.rawValue, draw)
            return result
        }
        let chosen = try RunConfiguration.Preset(named: preset ?? file?["preset"]?.string ?? "small")
        let number = draw ?? file?["draw"]?.int ?? 0
        var result = try base(chosen, draw: number)
        if let path = configurationFile {
            // What a file with all settings leaves nothing to do for would only be recorded.
            func refuse(_ option: String, unlike other: RunConfiguration) throws {
                var other = other
                (other.preset, other.draw) = (result.preset, result.draw)
                guard other == result else { return }
                throw UserError("\(option): \(path) sets all that it would change; take those settings out of the file")
            }
            let plain = RunConfiguration.Preset.small
            if let preset, chosen != plain, file?["preset"]?.string != preset {
                try refuse("--preset \(preset)", unlike: base(plain, draw: number))
            }
            if let draw, draw > 0, file?["draw"]?.int != draw {
                try refuse("--draw \(draw)", unlike: base(chosen, draw: 0))
            }
        }
        if let testDomains { result.testDomains = DomainNames.list(testDomains, folder: folder) }
        if let seed { result.seed = seed }
        if let backbone { result.backbone.name = backbone }
        if let weights { result.backbone.weights = weights }
        if let steps { result.steps = steps }
        if let batchSize { result.batchSize = batchSize }
        if let learningRate { result.learningRate = learningRate }
        if let learningRateSchedule { result.learningRateSchedule = learningRateSchedule }
        if let weightDecay { result.weightDecay = weightDecay }
        if let imageSize { result.imageSize = imageSize }
        if let augmentation { result.augmentation = augmentation }
        if let evaluateEvery { result.evaluateEvery = evaluateEvery }
        if let average { result.averaging.method = average }
        if let saveEvery { result.saveEvery = saveEvery }
        if let device = placement.device { result.device = device }
        if let store = storing.store { result.store = store }
        if skipCorrupt { result.skipCorrupt = true }
        if let generated { result.generated.folder = generated }
        for (option, group, names) in [
            ("--term", "terms", terms), ("--images", "images", images), ("--features", "features", features),
        ] {
            for name in names {
                result = try result.changed(by: .object([group: .object([name: [:]])]), source: option)
            }
        }
        try result.take(ldm: ldm, vae: ldmVae, dtype: ldmDtype)
        for setting in settings { result = try result.changed(bySetting: setting) }
        let isNamed =
            backbone != nil || file?["backbone"]?["name"] != nil || !chosen.isSmall
            || settings.contains { $0.hasPrefix("backbone.name") }
        if !isNamed { try result.refuseUnnamedWeights() }
        result.data = KnownDataset.locate(result.data)
        return result
    }
}

extension RunConfiguration {
    /// Puts in the diffusion model that the command line names, where the algorithm or what is added to it takes one.
    fileprivate mutating func take(ldm: String?, vae: String?, dtype: ModelPrecision?) throws {
        let defaults = try AlgorithmRegistry.all.algorithm(named: algorithm.name).defaults
        for (name, value) in [("ldm", ldm), ("ldmVAE", vae), ("ldmDtype", dtype?.rawValue)] {
            guard let value = value.map(JSONValue.string) else { continue }
            if defaults[name] != nil {
                algorithm.hyperparameters = algorithm.hyperparameters.overlaid(by: .object([name: value]))
            }
            if terms != nil || images != nil || features != nil {
                diffusion = (diffusion ?? [:]).merging([name: value]) { $1 }
            }
        }
    }
}

extension AveragingSettings.Method: ExpressibleByArgument {}
