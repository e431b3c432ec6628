import Diffusion
import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing

@testable import Experiments

/// Evaluations with translated images, by the tiny model of the diffusion tests.
struct TranslatedEvaluationTests {
    private let folder: TemporaryFolder
    private let run: String
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../DiffusionTests/Fixtures/sd1").standardized.path

    init() throws {
        folder = try TemporaryFolder()
        var configuration = RunConfiguration()
        configuration.data = try folder.makeDataset(count: 5)
        configuration.testDomains = ["c"]
        configuration.backbone.weights = "none"
        configuration.imageSize = 32
        configuration.batchSize = 2
        configuration.steps = 2
        run = folder.path("run")
        _ = try TrainingRun(configuration, folder: run, registry: .all, threads: 1) { _ in }.run()
    }

    private func settings(_ thresholds: [Double]) -> TranslationSettings {
        var settings = TranslationSettings()
        settings.noise = [0.5]
        settings.steps = 4
        settings.batchSize = 4
        settings.thresholds = thresholds
        return settings
    }

    private var store: ContentStore { ContentStore(folder.path("store")) }

    private func models(_ domains: [String]) throws -> SourceModels {
        try SourceModels(domains: domains, own: [:], shared: model) { try LatentDiffusionModel(path: $0) }
    }

    private func evaluate(_ thresholds: [Double], _ name: String) throws -> TranslatedEvaluation.Result {
        let evaluation = try TranslatedEvaluation(
            run: run, name: "DSI", settings: settings(thresholds), store: store, device: "cpu", threads: 1,
            models: models)
        return try evaluation.evaluate(folder: folder.path(name), threads: 1).result
    }

    private func line(_ name: String, _ image: String) throws -> JSONValue {
        let data = try #require(Files.contents(folder.path("\(name)/predictions.jsonl")))
        return try #require(
            data.split(separator: 10).compactMap { JSONValue(json: $0) }.first { $0["image"]?.string == image })
    }

    /// What the classifier says of an image and of its translations, each by its own normalisation, is averaged.
    @Test func predictionsAreOfTheMeanLogits() throws {
        // At a threshold of 0 every translation is accepted.
        let result = try evaluate([0], "accepting")
        #expect(
            result.domains.map(\.name) == ["a", "b", "c"] && result.domains.map(\.isHeldOut) == [false, false, true])
        #expect(result.domains.map(\.score.count) == [2, 2, 10] && result.domains.map(\.accepted) == [[2], [2], [10]])
        #expect(result.translations == 2 * 14)
        let trained = try TrainedModel(run: run, device: "cpu", threads: 1)
        let translator = try LatentTranslator(settings([0]), models: models(["a", "b"]), store: store)
        var ledger = Ledger()
        for (file, label) in [("c/cat/0.png", 0), ("c/dog/3.png", 1)] {
            let image = try ImageFile.decode(folder.path("set/\(file)"))
            let moved = try ["a", "b"].flatMap {
                try translator.translations(of: [image], towards: $0, noise: 0.5, ledger: &ledger, poll: {})
            }
            // Logits are log p up to a number an image, and so are their means.
            let rows = try trained.probabilities([image] + moved).map { $0.map { log($0) } }
            let mean = [0, 1].map { place in rows.reduce(0) { $0 + $1[place] } / 3 }
            let loss = log(mean.reduce(0) { $0 + exp($1) }) - mean[label]
            #expect(abs(try #require(line("accepting", file)["loss"]?.double) - loss) < 1e-4)
        }
        #expect(ledger.generatedMade == 0)
        // At one that nothing passes the images count as they are.
        let refusing = try evaluate([0.999], "refusing")
        #expect(refusing.domains.allSatisfy { $0.score == $0.clean && $0.accepted == [0] })
        let plain = try trained.scores(on: ImageFolder(folder.path("set")), threads: 1)[2]
        #expect(refusing.domains[2].score.accuracy == plain.accuracy)
        #expect(abs((refusing.domains[2].score.loss ?? 0) - (plain.loss ?? 1)) < 1e-4)
    }

    @Test func theThresholdIsTheBestOnValidation() throws {
        let thresholds = [0.999, 0]
        let single = try thresholds.map { try evaluate([$0], "single-\($0)") }
        // Of the source domains nothing but validation images is evaluated.
        let wanted = single.map { $0.domains.prefix(2).reduce(0) { $0 + ($1.score.accuracy ?? .nan) } / 2 }
        let both = try evaluate(thresholds, "both")
        #expect(both.validation == wanted)
        let best = wanted[1] > wanted[0] ? 1 : 0
        #expect(both.threshold == thresholds[best] && both.domains == single[best].domains)
    }

    @Test func onlyFinishedRunsAreEvaluated() throws {
        Files.remove("\(run)/done")
        let error = #expect(throws: UserError.self) { try evaluate([0.9], "any") }
        #expect(error?.message.contains("is not done") == true)
    }
}
