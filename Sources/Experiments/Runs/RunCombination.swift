import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// Several runs as one model: their predictions together, or the mean of their parameters.
///
///     let soup = try RunCombination(["runs/erm-0", "runs/erm-1"], method: .average, threads: 2)
///     let scores = try soup.scores(on: dataset, threads: 2)
public struct RunCombination {
    /// How several runs become one model.
    public enum Method: String, CaseIterable, Sendable {
        /// The mean of the models' class probabilities.
        case ensemble
        /// The mean of the parameters and batch-norm statistics of all models (DiWA, uniform; Rame and others, NeurIPS
        /// 2022). The runs must have begun with the same pretrained weights.
        case average
        /// The same over a choice of models: from the best on the source domains' validation items on, each is kept whose
        /// parameters do not lower the mean's accuracy there (DiWA, restricted; Wortsman and others, ICML 2022).
        case greedy
    }

    /// How the runs are combined.
    public let method: Method
    /// The runs that the model is made of, the best first where it was asked for.
    public let runs: [String]
    private let models: [TrainedModel]

    /// Loads the runs' models and combines them.
    /// - Parameters:
    ///   - averaged: takes the averaged models of the runs' ends.
    ///   - data: where the runs' data lie now, when they were moved; looked at by ``Method/greedy``.
    ///   - warn: told of images that are left out.
    /// - Throws: `UserError` naming a run that does not fit the first one.
    public init(
        _ paths: [String], method: Method, averaged: Bool = false, data: String? = nil, device: String = "auto",
        threads: Int, warn: (String) -> Void = { _ in }
    ) throws {
        self.method = method
        let loaded = try paths.map {
            (path: $0, model: try TrainedModel(run: $0, averaged: averaged, device: device, threads: threads))
        }
        guard let first = loaded.first else { throw UserError("no run to combine; name two or more") }
        for other in loaded.dropFirst() { try Self.check(other, against: first, method: method) }
        switch method {
        case .ensemble:
            runs = paths
            models = loaded.map(\.model)
        case .average:
            runs = paths
            models = [try Self.mean(loaded.map(\.model.classifier.store.state), in: first.model)]
        case .greedy:
            let chosen = try Self.greedy(loaded, data: data, threads: threads, warn: warn)
            runs = chosen.runs
            models = [chosen.model]
        }
    }

    private typealias Loaded = (path: String, model: TrainedModel)

    private static func check(_ other: Loaded, against first: Loaded, method: Method) throws {
        func check(_ what: String, _ a: some Equatable, _ b: some Equatable) throws {
            let (a, b) = ("\(a)", "\(b)")
            guard a != b else { return }
            throw UserError(
                "\(other.path): its \(what) (\(b)) is not that of \(first.path) (\(a)); combine runs that agree")
        }
        let (own, its) = (first.model.configuration, other.model.configuration)
        try check("list of classes", first.model.classes, other.model.classes)
        try check("held-out domains", own.testDomains.sorted(), its.testDomains.sorted())
        try check("setting oracle", own.oracle, its.oracle)
        try check("image size", own.imageSize, its.imageSize)
        try check("setting skipCorrupt", own.skipCorrupt, its.skipCorrupt)
        // The models are given the same features with each image.
        func features(_ settings: RunConfiguration) -> String {
            guard let features = settings.features else { return "none" }
            return JSONValue.object(["features": .object(features), "diffusion": .object(settings.diffusion ?? [:])])
                .text
        }
        try check("frozen features", features(own), features(its))
        guard method != .ensemble else { return }
        try check("algorithm", own.algorithm.name, its.algorithm.name)
        try check("backbone", own.backbone.name, its.backbone.name)
        guard method == .greedy else { return }
        try check("data set", own.data, its.data)
        // The validation items must be kept from the training of all runs.
        try check("seed, which splits the data,", own.seed, its.seed)
        try check("holdoutFraction", own.holdoutFraction, its.holdoutFraction)
    }

    /// Puts the mean of states into a model.
    private static func mean(_ states: [StateDict], in model: TrainedModel) throws -> TrainedModel {
        var result = StateDict()
        for name in states[0].names {
            let tensors = states.compactMap { $0[name] }
            guard tensors.count == states.count else {
                throw UserError("the models have different parameters: \(name)")
            }
            let isWhole = tensors[0].dtype == .int64
            result[name] = isWhole ? tensors[0] : tensors.dropFirst().reduce(tensors[0], +) / Double(tensors.count)
        }
        try model.classifier.store.load(result, name: "the mean")
        return model
    }

    private static func copy(_ state: StateDict) -> StateDict {
        var result = StateDict()
        for name in state.names { result[name] = state[name]?.cloned() }
        return result
    }

    private static func greedy(
        _ loaded: [Loaded], data: String?, threads: Int, warn: (String) -> Void
    ) throws -> (runs: [String], model: TrainedModel) {
        let model = loaded[0].model
        let own = model.configuration.data
        let folder = try Files.isFolder(own) ? ImageFolder(own) : model.configuration.dataset(movedTo: data)
        let readable = try model.readable(folder, threads: threads, warn: warn)
        let dataset = readable.dataset
        for (path, _) in loaded {
            guard let listing = try RunDirectory(existing: path).recordedListing, listing != dataset.listing else {
                continue
            }
            throw UserError(
                "\(dataset.root): has other images than when \(path) was trained, so that its validation items are not to "
                    + "be told from its training items; restore them, or combine by average")
        }
        let split = Split(
            dataset, trialSeed: model.configuration.seed, holdoutFraction: model.configuration.holdoutFraction)
        let held = try model.configuration.testDomains.map(dataset.environment(named:))
        let sources = dataset.environments.indices.filter { !held.contains($0) }
        func accuracy(_ states: [StateDict]) throws -> Double {
            let parts = sources.map { split.validation[$0] }
            let scores = try mean(states, in: model)
                .scores(parts, of: readable, threads: threads, predict: { model.logits($0) })
            return scores.reduce(0) { $0 + ($1.accuracy ?? 0) } / Double(max(1, scores.count))
        }
        let states = loaded.map { copy($0.model.classifier.store.state) }
        let order = try states.indices.map { ($0, try accuracy([states[$0]])) }.sorted { $0.1 > $1.1 }
        var chosen = [order[0].0]
        var best = order[0].1
        for (index, _) in order.dropFirst() {
            let value = try accuracy((chosen + [index]).map { states[$0] })
            guard value >= best else { continue }
            chosen.append(index)
            best = value
        }
        return (chosen.map { loaded[$0].path }, try mean(chosen.map { states[$0] }, in: model))
    }

    /// What makes the features that the classifiers take beside their own; nil where they take none.
    public var frozenFeatures: (any FrozenFeatures)? { models[0].frozenFeatures }

    /// The settings of the first run.
    public var configuration: RunConfiguration { models[0].configuration }

    /// How the model does on every domain of a data set that has the same classes.
    /// - Throws: `UserError` for other classes, or an image that cannot be read.
    public func scores(
        on dataset: ImageFolder, threads: Int, warn: (String) -> Void = { _ in }
    ) throws -> [Score] {
        let models = models
        let readable = try models[0].readable(dataset, threads: threads, warn: warn)
        let domains = Split.shuffledDomains(readable.dataset)
        return try models[0].scores(domains, of: readable, threads: threads) { images in
            let probabilities = models.map { $0.logits(images, normalisedFor: models[0]).softmax(1) }
            return (probabilities.dropFirst().reduce(probabilities[0], +) / Double(models.count)).log()
        }
    }

    /// Writes the averaged parameters and statistics as safetensors.
    /// - Throws: `UserError` for an ensemble, which has no parameters of its own.
    public func write(safetensors path: String) throws {
        guard method != .ensemble else {
            throw UserError("an ensemble has no parameters of its own; combine by average or greedy to write a model")
        }
        try models[0].classifier.store.state.write(safetensors: path)
    }
}
