import Diffusion
import Foundation
import Foundations
import Pixels
import Testing
import Torch

@testable import DomainFusion

/// The diffusion model's likelihood as the classifier, against diffusers and PyTorch (scripts/fixtures/generative_classifier.py).
@Suite struct GenerativeClassifierTests {
    private let reference: StateDict
    private let image: RGBImage

    init() throws {
        reference = try StateDict(safetensors: fixture("generative_classifier.safetensors"))
        let pixels = try #require(reference["pixels"]).to(dtype: .int64).scalars(Int.self)
        image = RGBImage(width: 16, height: 16, pixels: pixels.map { UInt8($0) })
    }

    private func tensor(_ name: String) throws -> Tensor { try #require(reference[name]) }

    private func classifier(
        _ store: String, _ change: (inout GenerativeClassifier.Settings) -> Void = { _ in }
    ) throws -> GenerativeClassifier {
        var settings = GenerativeClassifier.Settings()
        settings.draws = 6
        settings.prompt = "a photo of {class}"
        change(&settings)
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../DiffusionTests/Fixtures/sd1").standardized.path
        return try GenerativeClassifier(
            settings, model: LatentDiffusionModel(path: folder), classes: ["a dog", "a cartoon", "art"],
            store: ContentStore(store))
    }

    @Test func errorsEqualDiffusers() throws {
        try withTemporaryFolder { folder in
            var ledger = Ledger()
            let table = try classifier(folder).table(image, ledger: &ledger)
            #expect(table.times == (try tensor("times")).scalars(Int.self))
            for (metric, name) in [(ErrorTable.Metric.l1, "l1"), (.l2, "l2")] {
                let wanted = try tensor(name).scalars(Float.self)
                #expect(zip(table.errors(metric).joined(), wanted).allSatisfy { abs($0 - $1) < 1e-5 }, "\(name)")
            }
            #expect(ledger.unetEvaluations == 18 && ledger.vaePasses == 1)
        }
    }

    /// Classes that are dropped are not asked about any more; what is in the store is not asked about again.
    @Test func classesAreDroppedUnasked() throws {
        try withTemporaryFolder { folder in
            var classifier = try classifier(folder) { $0.elimination = "2:2" }
            classifier.weights = TimeWeights([0.5, 2, 0.5], timeSteps: 1000, sharpness: 7)
            var ledger = Ledger()
            let logits = try classifier.logits(of: image, ledger: &ledger)
            #expect(ledger.unetEvaluations == Int(try tensor("evaluations").item()) && ledger.vaePasses == 1)
            let (margins, draws) = (
                try tensor("margins").scalars(Double.self), try tensor("draws").scalars(Double.self)
            )
            for label in 0..<3 {
                #expect(abs(logits[label] + 7 * margins[label] * 6 / draws[label]) < 1e-4)
            }
            #expect(logits.firstIndex(of: 0) == Int(try tensor("label").item()))
            #expect(try classifier.logits(of: image, ledger: &ledger) == logits)
            #expect(ledger.unetEvaluations == 14)
            // Of a table that a fit has, the same.
            let table = try classifier.table(image, ledger: &ledger)
            #expect(zip(classifier.logits(table), logits).allSatisfy { abs($0 - $1) < 1e-4 })
        }
    }

    @Test func timesAreWeighedAsPyTorchFits() throws {
        let all = try tensor("fit.tables")
        let times = try tensor("fit.times").scalars(Int.self)
        let tables = (0..<30).map { index in
            let rows = (0..<4).map { all[index][$0].scalars(Float.self) }
            return ErrorTable(times: times, l1: rows, l2: rows)
        }
        let fitted = try classifier("none") { $0.parts = 4 }
            .fitted(tables, labels: tensor("fit.labels").scalars(Int.self))
        let wanted = try tensor("fit.weights").scalars(Double.self)
        #expect(zip(fitted.weights.weights, wanted).allSatisfy { abs($0 - $1) < 1e-3 }, "\(fitted.weights.weights)")
        #expect(abs(fitted.weights.sharpness - (try tensor("fit.sharpness").item())) < 1e-3)
        // Without a labelled image all times are alike.
        #expect(try classifier("none").fitted([], labels: []).weights == .even(timeSteps: 1000))
    }

    @Test func impossibleSettingsAreRefused() throws {
        for (name, value) in [
            ("draws", JSONValue.int(0)), ("parts", 0), ("elimination", "4:5,3:2"), ("prompt", "a photo"),
            ("metric", "l3"), ("seed", -1), ("ldmImageSize", -8),
        ] {
            #expect(throws: UserError.self, "\(name)") {
                try GenerativeClassifier.Settings(changes: .object([name: value]), path: "algorithm.hyperparameters")
            }
        }
    }

    /// A class that is dropped is never above the one that is left, whatever comes later.
    @Test func whatIsLeftIsTheBest() throws {
        let generator = Generator(seed: 2)
        for trial in 0..<50 {
            let values = Tensor.rand([5, 8], generator: generator).scalars(Double.self)
            let outcome = try Elimination(["", "1:4,2:3", "3:1", "2:2,4:1", "20:2"][trial % 5])
                .outcome(classes: 5, draws: 8) { classes, draws in
                    classes.map { label in draws.map { values[label * 8 + $0] } }
                }
            #expect(outcome.margins[outcome.label] == 0 && outcome.margins.allSatisfy { $0 >= 0 })
            #expect(outcome.margins.count { $0 == 0 } == 1, "\(outcome)")
            #expect(outcome.draws.reduce(0, +) == outcome.evaluations)
        }
    }
}
