import Backbones
import Foundations
import Testing
import Torch

@testable import DomainGeneralization

/// Terms and images that are added to algorithms.
struct ExtendedAlgorithmTests {
    private let fixture: AlgorithmFixture

    init() throws { fixture = try AlgorithmFixture(isReference: true) }

    /// λ · mean of squared logits: what ``SD`` adds to ``ERM``.
    private final class SquaredLogits: LossTerm {
        let weight: Double
        var calls = 0
        var counts: [Int] = []

        init(_ weight: Double) { self.weight = weight }

        func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
            calls += 1
            counts = [images.images.size(0), images.labels.count, images.items.count, images.logits.size(0)]
            return (weight * images.logits.squared().mean(), [Metric("squares", 1)])
        }
    }

    /// Two more images of environment 1.
    private final class Grey: MinibatchSource {
        func minibatches(step: Int, beside raw: [Minibatch]) throws -> (minibatches: [Minibatch], metrics: [Metric]) {
            let more = Minibatch(
                images: .ones([2, 3, 8, 8]) * 0.5, labels: Tensor([Int64(0), 2]), items: [7, 8], environment: 1)
            return ([more], [Metric("made", 2)])
        }
    }

    /// Keeps what it is given.
    private final class Spy: Algorithm {
        let base: ERM
        var seen: [Minibatch] = []

        init(_ context: AlgorithmContext) throws { base = try ERM(context: context) }

        var classifier: Classifier { base.classifier }
        var training: TrainingStep { base.training }

        func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
            seen = minibatches
            return try base.update(minibatches, step: step)
        }
    }

    private func algorithm(_ name: String, _ settings: JSONValue = [:]) throws -> any Algorithm {
        try AlgorithmRegistry.standard.algorithm(named: name).make(settings, context: fixture.context)
    }

    private func parameters(_ algorithm: any Algorithm) -> [[Float]] {
        let state = algorithm.state.tensors
        return algorithm.classifier.store.parameters.map { $0.scalars() }
            + state.names.filter { !$0.hasPrefix("optimizer") }.map { state[$0]?.to(dtype: .float32).scalars() ?? [] }
    }

    /// Three steps.
    private func trained(_ algorithm: any Algorithm) throws -> [[Float]] {
        algorithm.classifier.isTraining = true
        for step in 0..<3 { _ = try algorithm.update(AlgorithmFixture.minibatches(step: step), step: step) }
        return parameters(algorithm)
    }

    @Test func aTermIsPartOfTheLoss() throws {
        let term = SquaredLogits(0.3)
        let extended = ExtendedAlgorithm(try algorithm("ERM"), terms: [term], sources: [])
        let wanted = try trained(algorithm("SD", ["penaltyWeight": 0.3]))
        #expect(try trained(extended) == wanted)
        #expect(term.calls == 3 && term.counts == [18, 18, 18, 18])
        #expect(wanted != (try trained(algorithm("ERM"))))
    }

    /// Where an algorithm has no logits of the images as they are, the classifier is asked for them.
    @Test(arguments: AlgorithmRegistry.standard.algorithms.map(\.name))
    func everyAlgorithmTakesTerms(_ name: String) throws {
        let settings = AlgorithmResumeTests.settings[name] ?? [:]
        let plain = try trained(algorithm(name, settings))
        let nothing = ExtendedAlgorithm(try algorithm(name, settings), terms: [SquaredLogits(0)], sources: [])
        for (a, b) in zip(try trained(nothing), plain) {
            #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }, "\(name)")
        }
        let term = SquaredLogits(10)
        #expect(try trained(ExtendedAlgorithm(algorithm(name, settings), terms: [term], sources: [])) != plain)
        // Steps of an adversary do not move the classifier, and ERM++'s first only its last layer.
        #expect((1...3).contains(term.calls) && (term.calls == 3 || name.hasSuffix("DANN") || name == "ERM++"))
    }

    @Test func imagesJoinTheirEnvironments() throws {
        let (spy, term) = (try Spy(fixture.context), SquaredLogits(1))
        let extended = ExtendedAlgorithm(spy, terms: [term], sources: [Grey()])
        let raw = AlgorithmFixture.minibatches(step: 0)
        let metrics = try extended.update(raw, step: 0)
        #expect(spy.seen.map(\.count) == [6, 8, 6] && spy.seen.map(\.environment) == [0, 1, 2])
        #expect(spy.seen[1].items.suffix(2) == [7, 8])
        #expect(spy.seen[1].labels.scalars(Int.self).suffix(2) == [0, 2])
        #expect(spy.seen[1].images[0..<6].scalars(Float.self) == raw[1].images.scalars(Float.self))
        // The term sees the source images alone.
        #expect(term.counts == [18, 18, 18, 18])
        #expect(metrics.contains { $0.name == "made" } && metrics.contains { $0.name == "squares" })
    }

    /// The rows of the source images, with others in between.
    @Test func termsSeeTheRowsOfTheSourceImages() throws {
        let raw = AlgorithmFixture.minibatches(step: 0)
        let term = SquaredLogits(1)
        let added = AddedLoss([term], raw, joined: [6, 8, 7], predict: { $0.images }, step: 0)
        let logits = Tensor((0..<21).map { Float($0 == 12 || $0 == 13 || $0 == 20 ? 100 : 2) }, shape: [21, 1])
        #expect(try added.loss(logits: logits)?.item() == 4)
        #expect(try added.loss(logits: logits) == nil)
    }
}
