import Foundation
import Foundations
import Pixels
import Testing
import Torch

@testable import Diffusion
@testable import DomainFusion

/// The diffusion model as a classifier, by the tiny model of the diffusion tests.
struct DiffusionClassifierTests {
    private let even = TimeWeights.even(timeSteps: 1000)

    /// Three classes, six draws: class 1 is the best in all, class 0 begins badly, class 2 ends badly.
    private let table = ErrorTable(
        times: [10, 600, 300, 900, 450, 150],
        l1: [[5, 5, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2], [1, 1, 3, 3, 3, 3]],
        l2: [[9, 9, 0, 0, 0, 0], [2, 2, 2, 2, 2, 2], [1, 1, 5, 5, 5, 5]])

    @Test func theLeastErrorWins() {
        #expect(table.scores(.l1, weights: even) == [14, 12, 14] && table.prediction(.l1, weights: even) == 1)
        #expect(table.scores(.l2, weights: even) == [18, 12, 22] && table.prediction(.l2, weights: even) == 1)
        // Times from 500 on, draws 1 and 3, alone.
        let late = TimeWeights([0, 1], timeSteps: 1000)
        #expect(table.scores(.l2, weights: late) == [9, 4, 6])
        #expect(late.weight(499) == 0 && late.weight(500) == 1 && late.weight(999) == 1)
    }

    @Test func classesAreDroppedEarly() throws {
        // After two draws class 0 goes (18 against 4 and 2); of the others class 1 is better in the end: 6 + 8 evaluations.
        let two = table.prediction(.l2, weights: even, elimination: try Elimination("2:2"))
        #expect(two.label == 1 && two.evaluations == 3 * 2 + 2 * 4)
        // Cut to one after two draws: class 2, which is wrong in the long run.
        let one = table.prediction(.l2, weights: even, elimination: try Elimination("1:2,2:1"))
        #expect(one.label == 2 && one.evaluations == 3 * 1 + 2 * 1)
        // Cuts that are never reached change nothing.
        let none = table.prediction(.l2, weights: even, elimination: try Elimination("50:2"))
        #expect(none.label == 1 && none.evaluations == 18)
        for text in ["4", "4:0", "4:5,3:2", "4:5,8:6", "a:b"] {
            #expect(throws: UserError.self, "\(text)") { try Elimination(text) }
        }
    }

    /// Only one part of the schedule tells the classes apart: it gets nearly all of the weight, and the accuracy rises.
    @Test func weightsAreFittedToWhatTells() throws {
        let generator = Generator(seed: 5)
        let labels = (0..<200).map { $0 % 4 }
        let tables = labels.map { label -> ErrorTable in
            let noise = Tensor.rand([4, 8], generator: generator).scalars(Float.self)
            let rows = (0..<4).map { row in
                (0..<8).map { draw in noise[row * 8 + draw] - (row == label && draw == 5 ? 0.8 : 0) }
            }
            return ErrorTable(times: (0..<8).map { $0 * 125 + 60 }, l1: rows, l2: rows)
        }
        let fitted = TimeWeights(fitting: tables, labels: labels, metric: .l2, parts: 8, timeSteps: 1000)
        #expect(fitted.weights.firstIndex(of: fitted.weights.max() ?? 0) == 5, "\(fitted.weights)")
        #expect(fitted.weights.allSatisfy { $0 >= 0 } && fitted.weights[5] > 4)
        func accuracy(_ weights: TimeWeights) -> Double {
            Double(zip(tables, labels).filter { $0.prediction(.l2, weights: weights) == $1 }.count) / 200
        }
        #expect(accuracy(fitted) > accuracy(even) + 0.15)
        let samples = zip(tables, labels).enumerated().map {
            ClassifierReport.Sample(table: $1.0, label: $1.1, isHeldOut: $0 >= 150)
        }
        let report = ClassifierReport(
            samples, elimination: try Elimination("4:2"), parts: 8, timeSteps: 1000)
        #expect(report.rows.count == 8 && (report.fitted, report.checked, report.heldOut) == (75, 75, 50))
        #expect(report.rows[0].evaluations == 32 && report.rows[1].evaluations == 4 * 4 + 2 * 4)
        #expect((report.rows[2].heldOut ?? 0) > (report.rows[0].heldOut ?? 1))
    }

    @Test func beginningsCoverTheSchedule() {
        for count in [1, 2, 7, 16, 100] {
            let order = DiffusionClassifier.scattered(count)
            #expect(order.sorted() == Array(0..<count))
        }
        // The first four of sixteen lie in different quarters.
        #expect(Set(DiffusionClassifier.scattered(16).prefix(4).map { $0 / 4 }).count >= 3)
    }

    /// ‖ε̂ − ε‖ under each prompt with the same draws, and once only.
    @Test func tablesAreErrorsOfTheNoise() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let model = try LatentDiffusionModel(path: tests.appendingPathComponent("DiffusionTests/Fixtures/sd1").path)
        try withTemporaryFolder { folder in
            let classifier = try DiffusionClassifier(model, draws: 4, store: ContentStore(folder))
            let image = RGBImage(width: 64, height: 64, fill: RGB(200, 60, 30))
            var ledger = Ledger()
            let found = try classifier.table(image, prompts: ["a dog", "art"], ledger: &ledger)
            #expect(ledger.unetEvaluations == 8 && found.times.count == 4 && found.classCount == 2)
            #expect(Set(found.times.map { $0 / 250 }) == [0, 1, 2, 3])
            let seed = UInt64(SHA256Sum.of("\(SHA256Sum.of(image)) 0").prefix(16), radix: 16) ?? 0
            var settings = LatentDistillationSettings()
            settings.draws = 4
            let denoiser = FrozenDenoiser(model)
            let draw = NoiseDraw.stratified(
                4, for: denoiser, settings: settings, generator: Generator(seed: seed))
            let schedule = NoiseSchedule(model.schedulerConfig)
            for (row, prompt) in ["a dog", "art"].enumerated() {
                for (place, time) in draw.times.scalars(Int.self).enumerated() {
                    let error = inferenceMode { () -> Double in
                        let alpha = Double(schedule.alphasCumprod[time])
                        let noise = draw.noise[place..<(place + 1)]
                        let latents = model.vae.encode(2 * image.modelInput(model) - 1)
                        let noisy = alpha.squareRoot() * latents + (1 - alpha).squareRoot() * noise
                        let output = model.unet(noisy, timesteps: Tensor([time]), context: model.embed([prompt]))
                        return (output - noise).squared().mean().item()
                    }
                    let own = try #require(found.times.firstIndex(of: time))
                    #expect(abs(Double(found.l2[row][own]) - error) < 1e-4 * max(1, error))
                }
            }
            #expect(try classifier.table(image, prompts: ["a dog", "art"], ledger: &ledger) == found)
            #expect(ledger.unetEvaluations == 8)
        }
    }
}
