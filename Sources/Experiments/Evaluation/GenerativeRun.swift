import Diffusion
import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// A run of `GenerativeClassifier`: the weights of the time steps are fitted on the source domains' validation images, then
/// the held-out domains are classified.
///
/// Its folder is that of any run for tables, without checkpoints. Everything that the diffusion model works out is in the store, so that
/// a killed run goes on to the same bytes.
public struct GenerativeRun {
    /// The settings with every default filled in.
    public let configuration: RunConfiguration
    private let folder: String
    private let threads: Int
    private let restart: Bool
    private let data: ReadableImages
    private let domains: RunDomains
    private let priorWork: PriorWork?
    private let classifier: GenerativeClassifier
    private let algorithm: AlgorithmDescription

    /// Whether settings are of such a run.
    public static func isAsked(by configuration: RunConfiguration) -> Bool {
        configuration.algorithm.name.lowercased() == GenerativeClassifier.name.lowercased()
    }

    /// Prepares a run: reads the data and the model.
    /// - Parameters:
    ///   - restart: forgets an earlier run in the folder.
    ///   - report: told of warnings and of images that are read.
    /// - Throws: a one-line error for anything that cannot be used.
    public init(
        _ given: RunConfiguration, folder: String, threads: Int, restart: Bool = false,
        report: @escaping @Sendable (RunEvent) -> Void = { _ in }
    ) throws {
        Machine.threads = threads
        let (dataset, _) = try given.openedData()
        let configuration = try given.resolved(.all)
        guard configuration.terms == nil, configuration.images == nil, configuration.features == nil,
            configuration.generated.folder.isEmpty, configuration.averaging.method == .none
        else {
            throw UserError(
                "\(GenerativeClassifier.name) trains no network: take out terms, images, features and averages")
        }
        try configuration.requireModel()
        data = try ReadableImages(
            dataset, skipCorrupt: configuration.skipCorrupt, threads: threads,
            remedy: "or leave out what cannot be read with --skip-corrupt", progress: { report(.loading($0, $1)) },
            warn: { report(.warning($0)) })
        domains = try RunDomains(configuration, of: data.dataset)
        algorithm = try AlgorithmRegistry.all.algorithm(named: configuration.algorithm.name)
        priorWork = try configuration.priorWork(on: data.dataset, held: domains.held)
        classifier = try configuration.generativeClassifier(
            classes: data.dataset.classes, device: configuration.device, store: configuration.store)
        (self.configuration, self.folder, self.threads, self.restart) = (configuration, folder, threads, restart)
    }

    /// What the run's folder keeps of the fit.
    struct Fit: Codable {
        /// w(t), as the held-out domains were classified with.
        let timeWeights: TimeWeights
        /// Validation images that it was fitted on.
        let fitted: Int
        /// The hash of the diffusion model.
        let model: String
    }

    /// Classifies everything; goes on where a killed run stopped, and gives the summary of one that is done.
    /// - Parameters:
    ///   - report: told of the images that are done.
    ///   - poll: called between images; what it throws ends the work.
    /// - Returns: the summary, and what the model was asked for.
    /// - Throws: a one-line error of the model, the store or the folder.
    public func run(
        report: (RunEvent) -> Void = { _ in }, poll: () throws -> Void = Interruption.poll
    ) throws -> (summary: RunSummary, ledger: Ledger) {
        let inputs: JSONValue = [
            "method": .string(GenerativeClassifier.name), "settings": configuration.algorithm.hyperparameters,
            "model": .string(classifier.fingerprint), "images": .string(data.images.contents),
            "list": .string(data.dataset.listing), "testDomains": JSONValue(configuration.testDomains),
            "seed": .int(configuration.seed), "holdoutFraction": .double(configuration.holdoutFraction),
            "oracle": .bool(configuration.oracle),
        ]
        let record = try EvaluationRecord(folder, inputs: inputs, option: "--run-dir", restart: restart)
        record.ledger.before = priorWork
        let validation = domains.notHeld.flatMap { domains.split.validation[$0] }
        let isValidation = Set(validation)
        let others = domains.predictedParts.flatMap { $0 }.filter { !isValidation.contains($0) }
        var done = 0
        func step() throws {
            done += 1
            report(.step(done, validation.count + others.count, []))
            if done % 16 == 0 { try record.writeLedger() }
        }
        do {
            let tables = try validation.map { item in
                try poll()
                let table = try classifier.table(image(item), ledger: &record.ledger)
                try step()
                return table
            }
            let labels = validation.map { data.dataset.items[$0].label }
            let fitted = classifier.fitted(tables, labels: labels)
            var predictions = crossFitted(tables, validation, labels)
            for item in others {
                try poll()
                predictions.append(
                    Prediction(
                        item: item, label: data.dataset.items[item].label,
                        logits: try fitted.logits(of: image(item), ledger: &record.ledger)))
                try step()
            }
            let fit = Fit(timeWeights: fitted.weights, fitted: tables.count, model: classifier.fingerprint)
            try record.finish(
                JSONValue(encoding: fit), generated: 0, predictions: predictions, domains: domains,
                run: (configuration, algorithm, 0))
        } catch {
            try? record.writeLedger()
            throw error
        }
        return (try RunDirectory(existing: folder).summary(), record.ledger)
    }

    private func image(_ item: Int) throws -> RGBImage { try data.images.image(data.dataset.items[item]) }

    /// Predictions of the validation images, of every half by the weights that are fitted on the other one.
    private func crossFitted(_ tables: [ErrorTable], _ items: [Int], _ labels: [Int]) -> [Prediction] {
        let halves = [0, 1].map { half in items.indices.filter { $0 % 2 == half } }
        return zip(halves, halves.reversed()).flatMap { own, other in
            let fitted = classifier.fitted(other.map { tables[$0] }, labels: other.map { labels[$0] })
            return own.map { Prediction(item: items[$0], label: labels[$0], logits: fitted.logits(tables[$0])) }
        }
    }
}

extension RunConfiguration {
    /// The classifier that these settings name, with all times alike.
    /// - Throws: a one-line error for a model that cannot be used.
    func generativeClassifier(classes: [String], device name: String, store: String) throws -> GenerativeClassifier {
        let settings = try GenerativeClassifier.Settings(
            changes: algorithm.hyperparameters, path: "algorithm.hyperparameters")
        let device = try Device(parsing: name)
        let model = try LatentDiffusionModel(
            path: settings.ldm, vaeFolder: settings.ldmVAE.isEmpty ? nil : settings.ldmVAE, device: device,
            dtype: settings.ldmDtype.dtype(on: device),
            imageSize: settings.ldmImageSize == 0 ? nil : settings.ldmImageSize)
        return try GenerativeClassifier(settings, model: model, classes: classes, store: ContentStore(store))
    }
}
