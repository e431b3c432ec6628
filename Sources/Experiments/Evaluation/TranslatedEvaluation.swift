import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels

/// The evaluation of a finished run whose test images are moved towards its source domains first: distribution shift inversion, or the
/// edit by prompt.
///
/// On the run's own data set the held-out domains are evaluated, and the source domains' validation and unseen items; another data set
/// as a whole. Nothing of a held-out domain is known: translations go towards source domains, and a threshold is chosen on them.
/// Algorithms that predict by the other images of a batch (ARM, MTL) see those that are asked about together.
public struct TranslatedEvaluation {
    /// How the model does on a domain.
    public struct Domain: Codable, Sendable, Equatable {
        /// The domain's name.
        public let name: String
        /// Whether the run holds it out.
        public let isHeldOut: Bool
        /// How the model does with translations.
        public let score: Score
        /// How it does on the images as they are.
        public let clean: Score
        /// How many images were accepted at each level of noise; the others keep the prediction of the image as it is.
        public let accepted: [Int]
    }

    /// What the evaluation found.
    public struct Result: Codable, Sendable, Equatable {
        /// The threshold that was applied.
        public let threshold: Double
        /// Mean accuracy on the source domains' validation items at each threshold that there is to choose from, in their order; empty
        /// where there is one.
        public let validation: [Double]
        /// The domains that were evaluated.
        public let domains: [Domain]
        /// Translations that the predictions are made of.
        public let translations: Int
    }

    /// Settings of the translation.
    public let settings: TranslationSettings
    /// The run's settings.
    public let configuration: RunConfiguration
    private let run: RunDirectory
    private let name: String
    private let models: SourceModels
    private let translator: LatentTranslator
    private let model: TrainedModel
    private let weights: String

    /// An evaluation of a finished run.
    /// - Parameters:
    ///   - path: the run's folder.
    ///   - name: what tables call the method: "DSI" makes "ERM + DSI".
    ///   - averaged: takes the averaged model of the run's end.
    ///   - styles: words for the domains' styles, where the prompt asks for them.
    ///   - store: where translations are kept.
    ///   - make: gives the models of the run's source domains.
    /// - Throws: a one-line error for a run that is not finished, a model that is missing, or settings that cannot be.
    public init(
        run path: String, name: String, settings: TranslationSettings, averaged: Bool = false,
        styles: [String: String] = [:], store: ContentStore, device: String = "auto", threads: Int,
        models make: (_ domains: [String]) throws -> SourceModels
    ) throws {
        try settings.validate(path: "translation")
        run = try RunDirectory(existing: path)
        guard run.isDone else {
            throw UserError("\(path): this run is not done; finish it with 'domainfusion train' first")
        }
        let configuration = try run.configuration()
        let recorded = try run.rows().last?.values["args"]?["domains"]?.array?.compactMap(\.string)
        let domains = try recorded ?? configuration.dataset().environments
        self.settings = settings
        self.configuration = configuration
        self.name = name
        models = try make(domains.filter { configuration.oracle || !configuration.testDomains.contains($0) })
        translator = try LatentTranslator(settings, models: models, styles: styles, store: store)
        model = try TrainedModel(run: path, averaged: averaged, device: device, threads: threads)
        weights =
            averaged ? "\(path)/\(RunAverage.file)" : "\(run.checkpoints.folder(model.step))/model.safetensors"
    }

    /// Images whose levels are gone through together.
    private static let chunk = 256

    /// Evaluates, from where an earlier process in the folder stopped.
    /// - Parameters:
    ///   - given: another data set of the same classes; nil for the run's own.
    ///   - folder: takes the results, as those of a run where the data set is its own.
    ///   - warn: told of images that are left out.
    ///   - report: told of the images that are done, of all, and what comes next.
    ///   - poll: called between batches; what it throws ends the work, and what was done is kept in the store.
    /// - Returns: the result, and what the diffusion models were asked for.
    /// - Throws: a one-line error for an image, a model or a folder that cannot be used.
    public func evaluate(
        on given: ImageFolder? = nil, folder: String, threads: Int, warn: (String) -> Void = { _ in },
        report: (Int, Int, String) -> Void = { _, _, _ in }, poll: () throws -> Void = Interruption.poll
    ) throws -> (result: Result, ledger: Ledger) {
        let data = try model.readable(given ?? configuration.dataset(), threads: threads, warn: warn)
        let isOwn = run.recordedListing.map { $0 == data.dataset.listing } ?? (given == nil)
        let domains = try isOwn ? RunDomains(configuration, of: data.dataset) : RunDomains(whole: data.dataset)
        let items = isOwn ? domains.predictedParts.flatMap { $0 } : Array(data.dataset.items.indices)
        let validation = isOwn ? domains.notHeld.map { domains.split.validation[$0] } : []
        guard settings.thresholds.count == 1 || validation.contains(where: { !$0.isEmpty }) else {
            throw UserError(
                "thresholds: there is no validation image of the run's source domains to choose one on; give one "
                    + "threshold")
        }
        let record = try EvaluationRecord(folder, inputs: inputs(data), option: "--record")
        if !configuration.oracle { try models.prior.check(held: domains.heldNames, of: data.dataset.datasetName) }
        record.ledger.before = models.prior == PriorWork() ? nil : models.prior
        let adaptive = AdaptiveTranslation(translator, noise: settings.noise)
        var traced = Traced(dataset: data.dataset)
        do {
            for start in stride(from: 0, to: items.count, by: Self.chunk) {
                let part = items[start..<min(start + Self.chunk, items.count)]
                let found = try adaptive.traces(
                    of: part.map { try data.images.image(data.dataset.items[$0]) },
                    until: settings.thresholds.max() ?? 1, classify: model.logits(of:), ledger: &record.ledger,
                    report: { images, noise, domain in
                        report(start, items.count, "\(images) towards \(domain) at noise \(noise)")
                    }, poll: poll)
                traced.traces.merge(zip(part, found)) { $1 }
                try record.writeLedger()
                report(start + part.count, items.count, "")
            }
        } catch {
            try? record.writeLedger()
            throw error
        }
        let accuracies =
            settings.thresholds.count == 1 ? [] : settings.thresholds.map { traced.accuracy(validation, $0) }
        // Of equals the first.
        let best = accuracies.indices.max { (accuracies[$0], $1) < (accuracies[$1], $0) } ?? 0
        let threshold = settings.thresholds[best]
        let result = Result(
            threshold: threshold, validation: accuracies,
            domains: data.dataset.environments.indices.compactMap { environment in
                let own = items.filter { data.dataset.items[$0].environment == environment }
                guard !own.isEmpty else { return nil }
                let levels = own.compactMap { traced.traces[$0]?.prediction(threshold: threshold).level }
                return Domain(
                    name: data.dataset.environments[environment], isHeldOut: domains.held.contains(environment),
                    score: Score(predictions: traced.predictions(own, threshold)),
                    clean: Score(predictions: traced.predictions(own, nil)),
                    accepted: settings.noise.indices.map { level in levels.count { $0 == level } })
            }, translations: adaptive.translations(Array(traced.traces.values)))
        var shown = configuration
        shown.variant = "\(configuration.methodName(configuration.algorithm.name)) + \(name)"
        try record.finish(
            JSONValue(encoding: result), generated: result.translations,
            predictions: traced.predictions(items, threshold), domains: domains,
            run: isOwn
                ? (shown, AlgorithmRegistry.all.algorithm(named: configuration.algorithm.name), model.step) : nil)
        return (result, record.ledger)
    }

    /// What was found out about items.
    private struct Traced {
        let dataset: ImageFolder
        /// By item.
        var traces: [Int: AdaptiveTranslation.Trace] = [:]

        /// - Parameter threshold: nil for the images as they are.
        func predictions(_ items: [Int], _ threshold: Double?) -> [Prediction] {
            items.compactMap { item in
                traces[item].map { trace in
                    let logits = threshold.map { trace.prediction(threshold: $0).logits } ?? trace.clean
                    return Prediction(item: item, label: dataset.items[item].label, logits: logits)
                }
            }
        }

        /// The mean of the parts' accuracies; of those that have items.
        func accuracy(_ parts: [[Int]], _ threshold: Double) -> Double {
            let found = parts.compactMap { Score(predictions: predictions($0, threshold)).accuracy }
            return found.reduce(0, +) / Double(max(1, found.count))
        }
    }

    /// The classes' names, in the order of ``probabilities(of:ledger:poll:)``.
    public var classes: [String] { model.classes }

    /// Class probabilities of images that are moved towards the source domains first.
    /// - Parameters:
    ///   - ledger: counts the work that is done.
    ///   - poll: called between batches; what it throws ends the work, and what was done is kept in the store.
    /// - Throws: `UserError` where there are several thresholds to choose from; a one-line error of a model or the store.
    public func probabilities(
        of images: [RGBImage], ledger: inout Ledger, poll: () throws -> Void = Interruption.poll
    ) throws -> [[Double]] {
        guard settings.thresholds.count == 1 else {
            throw UserError("thresholds: images alone tell of none which is best; give one")
        }
        return try AdaptiveTranslation(translator, noise: settings.noise).traces(
            of: images, until: settings.thresholds[0], classify: model.logits(of:), ledger: &ledger, poll: poll
        ).map { softmax($0.prediction(threshold: settings.thresholds[0]).logits) }
    }

    /// All that the result depends on.
    private func inputs(_ data: ReadableImages) throws -> JSONValue {
        var hashes: [String: JSONValue] = [:]
        // Every model is read once, so that one that is missing is told of before the work.
        for domain in models.domains { hashes[domain] = .string(try models.model(of: domain).hash) }
        return [
            "method": .string(name), "weights": .string(try SHA256Sum.of(file: weights)),
            "images": .string(data.images.contents), "list": .string(data.dataset.listing),
            "translation": try JSONValue(encoding: settings), "models": .object(hashes),
            "prompts": .object(translator.promptsByDomain.mapValues(JSONValue.string)),
        ]
    }
}

extension Prediction {
    /// What logits in the classes' order say of an item.
    init(item: Int, label: Int, logits: [Double]) {
        let highest = logits.max() ?? 0
        let sum = logits.reduce(0) { $0 + exp($1 - highest) }
        self.init(
            item: item, label: label, predicted: logits.firstIndex(of: highest) ?? 0,
            loss: log(sum) + highest - logits[label], confidence: 1 / sum)
    }
}
