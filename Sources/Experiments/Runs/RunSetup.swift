import Backbones
import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Logging
import Pixels
import Torch

/// What happens in a run, for whoever shows it.
public enum RunEvent: Sendable {
    /// Images decoded before training, of all.
    case loading(Int, Int)
    /// Something that the user should know, in one line.
    case warning(String)
    /// Goes on from a checkpoint after these steps.
    case resumed(Int)
    /// Steps done, of all, and the last one's metrics.
    case step(Int, Int, [Metric])
    /// The evaluation after these steps begins.
    case evaluating(Int)
    /// An evaluation ended with these scores.
    case evaluated(CheckpointRow)
}

/// A run's settings made concrete: data, split and backbone, checked before anything is written.
struct RunSetup {
    let configuration: RunConfiguration
    let algorithm: AlgorithmDescription
    let dataset: ImageFolder
    let images: ImageCache
    /// What was done before the run; nil where nothing was.
    let priorWork: PriorWork?
    let backbone: BackboneDescription
    /// The file of pretrained weights, if any.
    let weights: String?
    let device: Device
    let testEnvironments: [Int]

    /// - Throws: a one-line error for a setting, a file or a data set that cannot be used.
    init(
        _ given: RunConfiguration, registry: AlgorithmRegistry, threads: Int,
        report: @escaping @Sendable (RunEvent) -> Void
    ) throws {
        let (folder, held) = try given.openedData()
        let algorithm = try registry.algorithm(named: given.algorithm.name)
        var configuration = try given.resolved(registry)
        backbone = try Backbones.named(given.backbone.name)
        configuration.backbone.name = backbone.name
        device = try Device(parsing: given.device)
        testEnvironments = held
        for line in folder.missingClasses { report(.warning("\(folder.root): \(line)")) }
        for line in KnownDataset.named(folder.name)?.differences(folder) ?? [] { report(.warning(line)) }
        if !folder.leftOut.isEmpty {
            report(
                .warning("\(folder.root): left out \(folder.leftOut.count) images that the list of duplicates names"))
        }
        if let warning = folder.unreadWarning { report(.warning(warning)) }
        // What is wrong with the data is told first.
        try configuration.requireModel(registry: registry)
        weights = try Self.weights(given.backbone.weights, of: backbone)
        let readable = try ReadableImages(
            folder, skipCorrupt: configuration.skipCorrupt, threads: threads,
            remedy: "or leave out what cannot be read with --skip-corrupt", progress: { report(.loading($0, $1)) },
            warn: { report(.warning($0)) })
        self.algorithm = algorithm
        self.configuration = configuration
        let generated: PriorWork?
        (dataset, images, generated) = try configuration.joiningGenerated(
            to: readable.dataset, readable.images, held: held, threads: threads, report: report)
        priorWork = try configuration.priorWork(generated, on: readable.dataset, held: held)
    }

    /// Makes sure that a run in a folder began with the images that are there now.
    /// - Throws: `UserError` when they are others, or one of them has changed.
    func checkImages(of run: RunDirectory) throws {
        let remedy = "restore them, choose another --run-dir, or --restart to forget that run"
        if let listing = run.recordedListing, listing != dataset.listing {
            throw UserError("\(run.path): \(configuration.data) has other images than when the run began; \(remedy)")
        }
        guard let contents = run.recordedContents(of: images), contents != images.contents else { return }
        let changed = run.started.flatMap { started in
            dataset.items.first { modificationTime(of: $0.path).map { $0 > started + 1 } ?? false }
        }
        throw UserError(
            "\(run.path): images of \(configuration.data) have changed since the run began"
                + "\(changed.map { " (\($0.path) was written later)" } ?? ""); \(remedy)")
    }

    private func modificationTime(of path: String) -> Date? {
        (try? FileManager.default.attributesOfItem(atPath: path))?[.modificationDate] as? Date
    }

    private static func weights(_ setting: String, of backbone: BackboneDescription) throws -> String? {
        switch setting {
        case "none": return nil
        case "auto":
            if let found = backbone.installedWeights() { return found }
            let twin = try backbone.twin.map(Backbones.named).flatMap { $0.installedWeights() == nil ? nil : $0.name }
            throw UserError(
                "no pretrained weights for \(backbone.name) at \(backbone.weightFiles.joined(separator: " or ")); "
                    + (twin.map { "those of \($0) are installed: --backbone \($0); or " } ?? "run scripts/bootstrap, ")
                    + "give a file with --weights, or start from scratch with --weights none")
        default:
            guard Files.exists(setting) else {
                throw UserError(
                    "\(setting): no such weights file; give a file of PyTorch or safetensors, or --weights auto or none"
                )
            }
            return setting
        }
    }

    /// The context of the algorithm.
    /// - Parameter report: told of what the user should know.
    func context(
        runDirectory: String, logger: Logger, report: (RunEvent) -> Void
    ) throws -> AlgorithmContext {
        let normalization = Normalization(backbone.normalisation)
        let split = configuration.split(of: dataset, held: testEnvironments)
        let sources = dataset.environments.indices.filter { configuration.oracle || !testEnvironments.contains($0) }
        for environment in sources where split.training[environment].isEmpty {
            throw UserError("\(dataset.root)/\(dataset.environments[environment]): no image left for training")
        }
        if sources.allSatisfy({ split.validation[$0].isEmpty }) {
            report(.warning("no source domain has images for validation (holdoutFraction): the last checkpoint counts"))
        }
        let (backbone, options, device, seed) = (
            backbone, configuration.classifierOptions, device, UInt64(configuration.seed)
        )
        let classCount = dataset.classes.count
        let weights = weights
        return AlgorithmContext(
            dataset: dataset, split: split, sourceEnvironments: sources, testEnvironments: testEnvironments,
            images: images,
            trainingPipeline: configuration.augmentation.pipeline(
                size: configuration.imageSize, normalization: normalization),
            evaluationPipeline: .evaluation(size: configuration.imageSize, normalization: normalization),
            imageSize: configuration.imageSize, batchSize: configuration.batchSize, sampling: configuration.sampling,
            accumulation: configuration.accumulation, steps: configuration.steps,
            optimizer: OptimizerSettings(
                learningRate: configuration.learningRate, weightDecay: configuration.weightDecay,
                schedule: LearningRateSchedule(configuration.learningRateSchedule, steps: configuration.steps)),
            device: device, seed: configuration.seed, runDirectory: runDirectory, storeDirectory: configuration.store,
            logger: logger
        ) { frozenFeatures in
            var options = options
            options.frozenFeatures = frozenFeatures
            let classifier = try Classifier(
                backbone, classCount: classCount, weights: weights.map { try StateDict(contentsOf: $0) },
                name: weights ?? "",
                options: options,
                seed: seed, device: device)
            if let note = classifier.weightsNote { logger.notice("\(note)") }
            return classifier
        }
    }

    /// `environment.json`: what the numbers depend on beside the settings.
    func environment(threads: Int) throws -> JSONValue {
        var result: [String: JSONValue] = [
            "toolkit": .string(toolkitVersion), "libtorch": .string(Machine.libtorchVersion),
            "device": .string("\(device)"), "threads": .int(threads), "seed": .int(configuration.seed),
            "system": .string(ProcessInfo.processInfo.operatingSystemVersionString),
            "host": .string(ProcessInfo.processInfo.hostName), "started": .string(Date().ISO8601Format()),
            "items": .int(dataset.items.count), "items_sha256": .string(dataset.listing),
            RunDirectory.contentsKey(of: images): .string(images.contents),
            "left_out": .int(dataset.leftOut.count), "preset": .string(configuration.preset),
            "backbone": .string(backbone.name),
        ]
        if let commit = SourceCheckout.commit() { result["commit"] = .string(commit) }
        var digest: String?
        if let weights {
            digest = try SHA256Sum.of(file: weights)
            result["weights"] = .string(weights)
            result["weights_sha256"] = digest.map(JSONValue.string)
        }
        let deviations = configuration.deviations(
            dataset: dataset.datasetName, weightsDigest: digest, registry: AlgorithmRegistry([algorithm]))
        result["deviations"] = .array(deviations.map(JSONValue.string))
        return .object(result)
    }
}

extension ImageFolder {
    /// A hash of the list of images, so that a split can be told from another.
    var listing: String {
        var sum = SHA256Sum()
        for item in items where !item.isGenerated { sum.update("\(relativePath(of: item))\n") }
        return sum.hexadecimal
    }
}

/// The version of this toolkit.
public let toolkitVersion = "0.3.0"
