import Foundation
import Foundations
import Testing
import Torch

@testable import DomainGeneralization

/// The path of a file under Fixtures.
func fixture(_ name: String) throws -> String {
    try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures").appendingPathComponent(name).path
}

struct WeightAverageTests {
    /// A line of swad.json, which scripts/fixtures/swad.py writes.
    struct Transcript: Decodable, CustomStringConvertible {
        let losses: [Double]
        let convergence: Int
        let tolerance: Int
        let ratio: Double
        let converged: Int?
        let threshold: Double?
        let dead: Int?
        let weight: Double
        let start: Int
        let end: Int

        var description: String { "N_s \(convergence), N_e \(tolerance), r \(ratio), losses \(losses)" }
    }

    private let parameter = Tensor.zeros([1])

    private func setParameter(step: Int) {
        parameter.fill_(sin(0.7 * Double(step)) + 0.01 * Double(step))
    }

    private func valley(_ transcript: Transcript) -> LossValley {
        LossValley(
            [parameter], convergence: transcript.convergence, tolerance: transcript.tolerance, ratio: transcript.ratio)
    }

    @Test func agreesWithThePublishedSWAD() throws {
        let data = try #require(FileManager.default.contents(atPath: fixture("swad.json")))
        let transcripts = try JSONDecoder().decode([Transcript].self, from: data)
        #expect(transcripts.count == 61)
        for transcript in transcripts {
            var average = valley(transcript)
            var dead: Int?
            for (index, loss) in transcript.losses.enumerated() {
                for step in index * 3..<(index + 1) * 3 {
                    setParameter(step: step)
                    average.update(step: step)
                }
                average.validated(loss: loss, step: index * 3 + 2)
                if average.isDead, dead == nil { dead = index }
                // A result on the way changes nothing, and a saved state goes on as if nothing had happened.
                _ = average.result()
                let resumed = valley(transcript)
                try resumed.load(average.state, name: "state")
                average = resumed
            }
            let result = average.result()
            #expect(average.convergedStep == transcript.converged, "\(transcript)")
            #expect(dead == transcript.dead, "\(transcript)")
            if let threshold = transcript.threshold {
                #expect(abs(average.threshold - threshold) < 1e-12, "\(transcript)")
            }
            #expect((result.warning == nil) == (transcript.converged != nil))
            #expect(result.steps == (transcript.start < 0 ? nil : transcript.start...transcript.end), "\(transcript)")
            #expect(abs(result.weights[0].item() - transcript.weight) < 1e-6, "\(transcript)")
        }
    }

    @Test func averagesFromAStepOn() {
        let average = StochasticWeightAverage([parameter], from: 4)
        var sum = 0.0
        for step in 0..<10 {
            setParameter(step: step)
            if step >= 4 { sum += parameter.item() }
            average.update(step: step)
        }
        #expect(abs(average.result().weights[0].item() - sum / 6) < 1e-6)
        #expect(average.result().steps == 4...9)
    }

    @Test func movesExponentially() throws {
        parameter.fill_(1)
        let average = ExponentialAverage([parameter], decay: 0.5)
        var expected = 1.0
        for step in 0..<12 {
            setParameter(step: step)
            average.update(step: step)
            let decay = min(0.5, Double(1 + step) / Double(10 + step))
            expected = decay * expected + (1 - decay) * parameter.item()
        }
        #expect(abs(average.result().weights[0].item() - expected) < 1e-6)
        let resumed = ExponentialAverage([parameter], decay: 0.5)
        try resumed.load(average.state, name: "state")
        #expect(resumed.result().weights[0].item() == average.result().weights[0].item())
    }

    @Test func refusesAnothersState() throws {
        let average = StochasticWeightAverage([parameter], from: 0)
        average.update(step: 0)
        let other = StochasticWeightAverage([.zeros([2])], from: 0)
        #expect(throws: UserError.self) { try other.load(average.state, name: "state") }
        #expect(throws: UserError.self) { try LossValley([parameter]).load(average.state, name: "state") }
    }

    @Test(arguments: [("ratio", -1.0), ("start", 1.0), ("decay", 1.0)])
    func refusesImpossibleSettings(_ name: String, _ value: Double) throws {
        let settings = try changed(AveragingSettings(.swad), by: .object([name: .double(value)]), path: "averaging")
        #expect { try settings.validate(path: "averaging") } throws: {
            "\($0)".hasPrefix("averaging.\(name): \(value)")
        }
    }
}
