import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Testing
import Torch

@testable import DomainFusion

@Suite struct PromptReportTests {
    /// A sample whose g is the same at every point unless given by it.
    private func sample(_ empty: [[Double]], _ right: [[Double]], _ wrong: [[Double]]) -> PromptSample {
        PromptSample(image: "i", label: "a", wrongLabel: "b", empty: empty, right: right, wrong: wrong)
    }

    @Test func statisticsInClosedForm() throws {
        // One point, no nodes, two draws, two images; no prompt gives 0, so that guidance 3 triples everything.
        let zero: [[Double]] = [[0, 0]]
        let samples = [sample(zero, [[1, 3]], [[0, 2]]), sample(zero, [[5, 9]], [[7, 9]])]
        let report = PromptReport(samples, points: [0.5], guidanceScales: [1, 3])
        let row = report.guidance[0].rows[0]
        #expect(row.right == 4.5)  // of 2 and 7
        #expect(row.wrong == 4.5)  // of 1 and 8
        #expect(row.correlation == 1)
        // Differences 1 and −1: √1 against √(53/2).
        #expect(abs(try #require(row.classShare) - (2.0 / 53).squareRoot()) < 1e-12)
        // Half the differences of the halves: −1 and −2, variance ½; of the means 2 and 7: 12½.
        #expect(row.meanVariance == 0.5)
        #expect(abs(try #require(row.imageShare) - (1 - 0.5 / 12.5)) < 1e-12)
        #expect(row.drawVariance == 5)  // of variances 2 and 8
        let plain = report.guidance[0]
        #expect(plain.evaluationsPerDraw == 1)
        #expect(plain.drawVarianceByEvaluation == 5)
        #expect(plain.meanVarianceByEvaluation == 1)  // ½, of two draws
        #expect(plain.interpolationError == nil)
        let guided = report.guidance[1]
        #expect(guided.evaluationsPerDraw == 2)
        #expect(guided.rows[0].right == 13.5)
        #expect(guided.rows[0].imageShare == row.imageShare)
        #expect(guided.drawVarianceByEvaluation == 90)  // 9 · 5, twice the evaluations
        #expect(report.draws == 2 && report.nodes == 0)
        #expect(report.images.map(\.right) == [[2], [7]])
    }

    @Test func guidanceLeadsAwayFromNoPrompt() {
        let samples = [sample([[1, 1]], [[2, 2]], [[0, 0]])]
        let report = PromptReport(samples, points: [0.5], guidanceScales: [1, 7.5])
        #expect(report.guidance[1].rows[0].right == 8.5)
        #expect(report.guidance[1].rows[0].wrong == -6.5)
        // One image varies over nothing.
        #expect(report.guidance[0].rows[0].correlation == nil)
        #expect(report.guidance[0].rows[0].imageShare == nil)
    }

    @Test func noiseAloneBelongsToNoImage() throws {
        var generator = SeededGenerator(seed: 1)
        let zero = [[Double]](repeating: [Double](repeating: 0, count: 16), count: 1)
        func samples(image: Double) -> [PromptSample] {
            (0..<2000).map { _ in
                let own = image * (generator.uniform() - 0.5)
                let draws = (0..<16).map { _ in own + generator.uniform() - 0.5 }
                return sample(zero, [draws], [draws])
            }
        }
        func share(_ samples: [PromptSample]) throws -> Double {
            try #require(PromptReport(samples, points: [0.5], guidanceScales: [1]).guidance[0].rows[0].imageShare)
        }
        #expect(abs(try share(samples(image: 0))) < 0.1)
        // The image's variance against a sixteenth of a draw's: 1/12 to 1/192.
        #expect(abs(try share(samples(image: 1)) - 16.0 / 17) < 0.01)
    }

    @Test func interpolationMissesWhatIsNoPolynomial() throws {
        let points: [Double] = [0.2, 0.6]
        let nodes = ChebyshevGrid(3).nodes
        func error(_ g: (Double) -> Double) throws -> Double {
            let rows = (points + nodes).map { [g($0), g($0)] }
            let report = PromptReport([sample(rows, rows, rows)], points: points, guidanceScales: [1])
            #expect(report.nodes == 3)
            return try #require(report.guidance[0].interpolationError)
        }
        #expect(try error { 1 - 3 * $0 + 2 * $0 * $0 } < 1e-12)
        // At nodes 0, ½, 1 the parabola of x³ is x³ − x(x − ½)(x − 1).
        let missed = points.map { $0 * ($0 - 0.5) * ($0 - 1) }
        let expected = (missed.reduce(0) { $0 + $1 * $1 } / points.reduce(0) { $0 + pow($1, 6) }).squareRoot()
        #expect(abs(try error { $0 * $0 * $0 } - expected) < 1e-12)
    }

    @Test func probeMeasuresWhatLatentDistillationGives() throws {
        let model = try tinyModel("sd2", dtype: .float64)
        var settings = LatentDistillationSettings()
        settings.draws = 4
        settings.nodes = 3
        settings.prompt = "a photo of {a class}"
        let probe = try PromptProbe(
            model, classes: ["lion", "apple", "hot_dog"], settings: settings, points: [0.3, 0.8])
        #expect(probe.evaluationsPerImage == 4 * (2 * 5 + 2))
        var asked = 0
        let samples = try probe.samples(of: someSources(), count: 5, seed: 3) { done, total in
            #expect(done == asked && total == 5)
            asked += 1
        }
        #expect(samples.count == 5)
        #expect(Set(samples.map { String($0.image.prefix(2)) }) == ["d0", "d1"])
        #expect(samples.allSatisfy { $0.label != $0.wrongLabel })
        #expect(samples == (try probe.samples(of: someSources(), count: 5, seed: 3)))
        #expect(samples != (try probe.samples(of: someSources(), count: 5, seed: 4)))

        // Guided g, by linearity, is that of a guided evaluation.
        let first = try #require(samples.first)
        let source = try #require(someSources().first { $0.name == first.image })
        settings.guidanceScale = 7.5
        let guided = LatentDistillation(FrozenDenoiser(model), settings)
        let hash = SHA256Sum.of("3/\(first.image)")
        let direct = guided.gradients(
            try source.image().modelInput(model)[0], context: model.embed(["a photo of a \(first.label)"])[0],
            at: [0.3, 0.8], draw: guided.draws(seed: try #require(UInt64(hash.prefix(16), radix: 16))))
        let rows = PromptReport([first], points: [0.3, 0.8], guidanceScales: [7.5]).guidance[0].rows
        for (index, row) in rows.enumerated() {
            let mean: Double = direct[index].mean().item()
            #expect(abs(row.right - mean) < 1e-6 * max(1e-3, abs(mean)))
        }
    }

    @Test func refusesWhatCannotBeCompared() throws {
        let model = try tinyModel("sd1")
        var settings = LatentDistillationSettings()
        #expect(throws: UserError.self) { try PromptProbe(model, classes: ["lion"], settings: settings, points: [0.5]) }
        #expect(throws: UserError.self) {
            try PromptProbe(model, classes: ["a", "b"], settings: settings, points: [1.5])
        }
        settings.draws = 3
        #expect(throws: UserError.self) {
            try PromptProbe(model, classes: ["a", "b"], settings: settings, points: [0.5])
        }
    }
}
