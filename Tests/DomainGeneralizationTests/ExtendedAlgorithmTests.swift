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
        var added: AddedImages?

        init(_ weight: Double) { self.weight = weight }

        func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
            calls += 1
            added = images.added
            counts = [images.images.size(0), images.labels.count, images.items.count, images.logits.size(0)]
            return (weight * images.logits.squared().mean(), [Metric("squares", 1)])
        }
    }

    /// Two more images of environment 1.
    private final class Grey: MinibatchSource {
        func minibatches(step: Int, part: StepPart, beside raw: [Minibatch]) throws -> (
            minibatches: [Minibatch], metrics: [Metric]
        ) {
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
        let extended = try ExtendedAlgorithm(try algorithm("ERM"), terms: [term], sources: [])
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
        let nothing = try ExtendedAlgorithm(try algorithm(name, settings), terms: [SquaredLogits(0)], sources: [])
        for (a, b) in zip(try trained(nothing), plain) {
            #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }, "\(name)")
        }
        let term = SquaredLogits(10)
        #expect(try trained(ExtendedAlgorithm(algorithm(name, settings), terms: [term], sources: [])) != plain)
        // Steps of an adversary do not move the classifier, and ERM++'s first only its last layer.
        let isEveryStep = !["DANN", "CDANN", "ADRMX", "ERM++"].contains(name)
        #expect((1...3).contains(term.calls) && (term.calls == 3 || !isEveryStep))
    }

    /// Weighs the squared logits by a number that it learns: λ·w·mean(logits²) + w².
    private final class Weighing: LossTerm {
        var learned: LearnedPart?
        private var layer: Linear?

        func begin(with classifier: Classifier) {
            let store = ParameterStore(seed: 3)
            layer = Linear(store.root, in: 1, out: 1, bias: false)
            learned = LearnedPart(store, optimizer: OptimizerSettings(learningRate: 0.01))
        }

        func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
            let weight = layer.map { $0(.ones([1, 1])) } ?? .zeros([1, 1])
            return (weight.sum() * images.logits.squared().mean() + weight.squared().sum(), [])
        }
    }

    /// What a term learns steps with the classifier, whether the algorithm gives a loss or gradients, and is part of the state.
    @Test(arguments: ["ERM", "Fish", "MLDG", "CORAL", "ANDMask", "Transfer"]) func termsLearn(_ name: String) throws {
        func extended() throws -> (ExtendedAlgorithm, Weighing) {
            let term = Weighing()
            return (
                try ExtendedAlgorithm(
                    algorithm(name, AlgorithmResumeTests.settings[name] ?? [:]), terms: [term], sources: []), term
            )
        }
        let (whole, term) = try extended()
        let before = try #require(term.learned).store.state["weight"]?.cloned().scalars(Float.self)
        let parameters = try trained(whole)
        let after = try #require(term.learned?.store.state["weight"]).scalars(Float.self)
        // Adam's steps at a rate of 0.01, of which there are three.
        #expect(before != after && abs(after[0] - (before?[0] ?? 0)) < 0.0301)
        // The same from the state after two steps.
        let (half, other) = try extended()
        half.classifier.isTraining = true
        for step in 0..<2 { _ = try half.update(AlgorithmFixture.minibatches(step: step), step: step) }
        let (rest, third) = try extended()
        try rest.classifier.store.load(half.classifier.store.state, name: "model")
        try rest.load(half.state, name: "state")
        rest.classifier.isTraining = true
        _ = try rest.update(AlgorithmFixture.minibatches(step: 2), step: 2)
        #expect(try #require(third.learned?.store.state["weight"]).scalars(Float.self) == after)
        #expect(self.parameters(rest) == parameters)
        #expect(other !== third)
    }

    @Test func imagesJoinTheirEnvironments() throws {
        let (spy, term) = (try Spy(fixture.context), SquaredLogits(1))
        let extended = try ExtendedAlgorithm(spy, terms: [term], sources: [Grey()])
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

    /// Amplitudes go from source to synthetic images, back, and between synthetic ones, always of another domain.
    @Test func spectraAreMixedOverSourceAndSyntheticImages() throws {
        /// Two more images of each environment.
        final class Synthetic: MinibatchSource {
            func minibatches(step: Int, part: StepPart, beside raw: [Minibatch]) throws -> (
                minibatches: [Minibatch], metrics: [Metric]
            ) {
                let more = raw.map { raw in
                    let noise = Tensor.randn([2, 3, 8, 8], generator: Generator(seed: UInt64(500 + raw.environment)))
                    return Minibatch(
                        images: noise, labels: Tensor([Int64(0), 2]), items: [7, 8], environment: raw.environment)
                }
                return (more, [])
            }
        }
        let settings: JSONValue = ["share": 1.0]
        let spy = try Spy(fixture.context)
        _ = try ExtendedAlgorithm(spy, terms: [], sources: [Synthetic()]).update(
            AlgorithmFixture.minibatches(step: 0), step: 0)
        let (joined, sizes) = (spy.seen, [8, 8, 8])
        #expect(joined.map(\.count) == sizes)
        let mix = try #require(algorithm("FourierMix", settings) as? FourierMix)
        var pairs: Set<[Bool]> = []
        for step in 0..<8 {
            for (row, partner) in mix.draw(for: joined, step: step).partners.enumerated() {
                #expect(row / 8 != partner / 8)
                pairs.insert([row % 8 >= 6, partner % 8 >= 6])
            }
        }
        #expect(pairs == [[false, false], [false, true], [true, false], [true, true]])

        // What is trained on is the mixture over all of them.
        let draw = mix.draw(for: joined, step: 0)
        let (mean, deviation) = (fixture.context.normalization.mean, fixture.context.normalization.deviation)
        let (shift, scale) = (Tensor(mean, shape: [1, 3, 1, 1]), Tensor(deviation, shape: [1, 3, 1, 1]))
        let pixels = joined.images * scale + shift
        let mixed = mixAmplitudes(
            pixels, with: pixels.indexSelect(0, Tensor(draw.partners)),
            weights: Tensor(draw.weights.map(Float.init), shape: [24, 1, 1, 1]))
        let wanted = noGrad { crossEntropy(mix.classifier((mixed - shift) / scale), joined.labels).item() }
        let extended = try ExtendedAlgorithm(try algorithm("FourierMix", settings), terms: [], sources: [Synthetic()])
        let metrics = try extended.update(AlgorithmFixture.minibatches(step: 0), step: 0)
        let loss = try #require(metrics.first { $0.name == "loss" }).value
        #expect(abs(loss - wanted) < 1e-6)
        let plain = noGrad { crossEntropy(mix.classifier(joined.images), joined.labels).item() }
        #expect(abs(loss - plain) > 1e-4)
    }

    /// The rows of the source images, with others in between.
    @Test func termsSeeTheRowsOfTheSourceImages() throws {
        let raw = AlgorithmFixture.minibatches(step: 0)
        let term = SquaredLogits(1)
        let joined = zip(raw, [0, 2, 1]).map { raw, more in
            Minibatch.joined([raw, raw.prefix(more)])
        }
        let added = AddedLoss([term], raw, joined: joined, predict: { $0.images }, step: 0)
        let logits = Tensor((0..<21).map { Float($0 == 12 || $0 == 13 || $0 == 20 ? 100 : 2) }, shape: [21, 1])
        #expect(try added.loss(logits: logits)?.loss.item() == 4)
        #expect(try added.loss(logits: logits)?.loss == nil)
        let others = try #require(term.added)
        #expect(others.logits().scalars(Float.self) == [100, 100, 100])
        #expect(others.items == Array(raw[1].items[..<2] + raw[2].items[..<1]))
        #expect(
            others.inputs.images.scalars(Float.self)
                == (raw[1].images[0..<2].scalars(Float.self) + raw[2].images[0..<1].scalars(Float.self)))
        // Without logits of the images as they are, the others' are asked for when they are needed.
        let late = SquaredLogits(1)
        _ = try AddedLoss([late], raw, joined: joined, predict: { $0.images.mean([1, 2, 3]) }, step: 0).loss(
            logits: nil)
        #expect(late.counts == [18, 18, 18, 18])
        #expect(try #require(late.added).logits().shape == [3])
        let alone = SquaredLogits(1)
        _ = try AddedLoss([alone], raw, joined: raw, predict: { $0.images }, step: 0).loss(logits: nil)
        #expect(alone.added == nil)
    }
}
