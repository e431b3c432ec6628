import Foundation
import Foundations
import Pixels
import Testing

@testable import DomainGeneralization

struct StepDrawsTests {
    @Test(arguments: [(0.2, 0.2), (0.5, 0.5), (1, 1), (2, 5), (0.1, 3)]) func drawsFromTheBetaDistribution(
        _ a: Double, _ b: Double
    ) {
        var generator = SeededGenerator(seed: 3)
        let count = 20_000
        let values = (0..<count).map { _ in generator.beta(a, b) }
        #expect(values.allSatisfy { (0...1).contains($0) })
        let mean = values.reduce(0, +) / Double(count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
        let expected = a * b / ((a + b) * (a + b) * (a + b + 1))
        // Five standard errors of the mean.
        #expect(abs(mean - a / (a + b)) < 5 * (expected / Double(count)).squareRoot())
        #expect(abs(variance / expected - 1) < 0.06)
    }

    @Test func permutesEvenly() {
        var generator = SeededGenerator(seed: 4)
        var counts: [[Int]: Int] = [:]
        for _ in 0..<6000 { counts[generator.permutation(3), default: 0] += 1 }
        #expect(counts.count == 6)
        #expect(counts.values.allSatisfy { abs($0 - 1000) < 150 })
        #expect(generator.permutation(0).isEmpty)
    }

    @Test func keepsAlgorithmsAndStepsApart() throws {
        let context = try AlgorithmFixture(isReference: true).context
        func draw(_ name: String, _ step: Int, _ stream: Int = 0) -> UInt64 {
            var generator = StepDraws(context, name).generator(step: step, stream: stream)
            return generator.next()
        }
        #expect(draw("a", 1) == draw("a", 1))
        #expect(Set([draw("a", 1), draw("a", 2), draw("b", 1), draw("a", 1, 1)]).count == 4)
    }

    @Test func picksPartnersOfOtherDomains() throws {
        var settings = FeatureMixingSettings()
        settings.probability = 1
        settings.partners = .otherDomain
        settings.levels = [0, 1, 2]
        let context = try AlgorithmFixture(isReference: true).context
        func mixing() throws -> FeatureMixing {
            try FeatureMixing(settings, context: context, name: "MixStyle") { maps, _, _ in maps }
        }
        let sizes = [4, 3, 5]
        let minibatches = zip(AlgorithmFixture.minibatches(step: 0), sizes).map { $0.prefix($1) }
        let domains = sizes.enumerated().flatMap { [Int](repeating: $0, count: $1) }
        let always = try mixing()
        for step in 0..<20 {
            let draw = always.draw(for: minibatches, step: step)
            #expect(draw.keys.sorted() == [0, 1, 2])
            for level in draw.values {
                #expect(level.partners.indices.allSatisfy { domains[level.partners[$0]] != domains[$0] })
            }
        }
        settings.probability = 0
        #expect(try mixing().draw(for: minibatches, step: 0).isEmpty)
    }
}
