import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import Backbones
@testable import DomainGeneralization

/// Features of a frozen network beside the classifier's own.
struct FrozenFeatureTests {
    /// Mean colours, red first, then a number that is the same for every image.
    private final class Colours: FrozenFeatures {
        let options: FrozenFeatureOptions
        let price = FeaturePrice()
        let assignment: FeatureAssignment

        init(_ assignment: FeatureAssignment = .own, _ fusion: FrozenFeatureOptions.Fusion = .early) {
            self.assignment = assignment
            options = FrozenFeatureOptions(width: 4, fusion: fusion, dropout: 0.3, weight: 0.7)
        }

        /// Late fusion of several experts.
        init(experts: [FrozenFeatureOptions.Expert]) {
            assignment = .own
            options = FrozenFeatureOptions(experts: experts)
        }

        func features(of images: [RGBImage]) throws -> Tensor {
            let rows = images.map { image -> [Float] in
                let sums = (0..<3).map { channel in
                    stride(from: channel, to: image.pixels.count, by: 3).reduce(0) { $0 + Float(image.pixels[$1]) }
                }
                return sums + [7]
            }
            return Tensor(rows.flatMap { $0 }, shape: [images.count, 4])
        }
    }

    private func relativeError(_ a: Tensor, _ b: Tensor) -> Double { ((a - b).norm() / b.norm()).item() }

    private let fixture: AlgorithmFixture
    private let context: AlgorithmContext

    init() throws {
        fixture = try AlgorithmFixture(isReference: false)
        var context = fixture.context
        context.frozenFeatures = try FrozenFeatureTable(
            Colours(), dataset: context.dataset, images: context.images, device: .cpu)
        self.context = context
    }

    /// logits = W·[f, (u − mean)/deviation] + b, by the statistics of the training items.
    @Test func theHeadTakesStandardisedFeatures() throws {
        let classifier = try context.makeClassifier()
        #expect(classifier.featureCount == 9 && classifier.head.weight.shape == [3, 9])
        let table = try #require(context.frozenFeatures)
        let rows = table.features(of: context.trainingItems)
        let images = AlgorithmFixture.minibatches(step: 0)[0].images
        let own = table.features(of: Array(0..<6))
        let (logits, alone) = classifier.evaluating {
            (classifier(ClassifierInput(images, frozenFeatures: own)), classifier(images))
        }
        let expected = classifier.evaluating {
            let deviation = rows.variance([0]).sqrt() + Tensor([0, 0, 0, 1] as [Float])
            let standard = (own - rows.mean([0])) / deviation
            let features = Tensor.concatenated([classifier.backbone.features(images) { $1 }, standard], dimension: 1)
            return features.matmul(classifier.head.weight.transposed(0, 1)) + (classifier.head.bias ?? .zeros([3]))
        }
        #expect(relativeError(logits, expected) < 1e-5)
        // Without features an image has the mean of all.
        let means = rows.mean([0], keepDimensions: true).expanded([6, 4])
        let average = classifier.evaluating { classifier(ClassifierInput(images, frozenFeatures: means)) }
        #expect(relativeError(alone, average) < 1e-5)
        // The statistics are saved with the parameters.
        #expect(classifier.store.state.names.filter { $0.hasPrefix("frozen_features.") }.count == 2)
    }

    /// Each expert has a say by its own part of the features and at its own weight: log p + Σ λ·log p_u. What it says is what it
    /// would say alone.
    @Test func severalExpertsHaveASay() throws {
        var both = context
        both.frozenFeatures = try FrozenFeatureTable(
            Colours(experts: [.init(width: 3, weight: 0.7, penalty: 0.1), .init(width: 1, weight: 0.3, penalty: 2)]),
            dataset: context.dataset, images: context.images, device: .cpu)
        let table = try #require(both.frozenFeatures)
        let classifier = try both.makeClassifier()
        let state = classifier.store.state
        let rows = table.features(of: both.trainingItems)
        let standard = (rows - rows.mean([0])) / (rows.variance([0]).sqrt() + Tensor([0, 0, 0, 1] as [Float]))
        let labels = Tensor(both.trainingItems.map { both.dataset.items[$0].label })
        let input = ClassifierInput(.zeros([rows.size(0), 3, 8, 8]), frozenFeatures: rows)
        let logits = Tensor.zeros([rows.size(0), 3])
        var expected = logits
        for (number, (columns, penalty, weight)) in [(0..<3, 0.1, 0.7), (3..<4, 2, 0.3)].enumerated() {
            let own = standard.narrowed(1, start: columns.lowerBound, length: columns.count)
            let probe = LogisticProbe(own, labels: labels, classes: 3, penalty: penalty)
            let saved = try #require(state["frozen_features.experts.\(number).weight"])
            #expect((saved - probe.weight).abs().max().item() < 1e-4)
            expected = expected + weight * own.linear(probe.weight, probe.bias).logSoftmax(1)
        }
        #expect(relativeError(classifier.fused(logits, input), expected) < 1e-4)
        // A comparison of finished runs gives all the same weight.
        let opinion = table.opinion(of: both.trainingItems, in: both.dataset, fittedOn: both.trainingItems)
        #expect(opinion.shape == [rows.size(0), 3])
    }

    /// Late fusion: the network knows nothing of the features, and a logistic regression over them has a say in its predictions:
    /// softmax(log p + λ·log p_u).
    @Test func theFeaturesHaveAClassifierOfTheirOwn() throws {
        var late = context
        late.frozenFeatures = try FrozenFeatureTable(
            Colours(.own, .late), dataset: context.dataset, images: context.images, device: .cpu)
        let table = try #require(late.frozenFeatures)
        let erm = try ERM(context: late)
        let plain = try ERM(context: fixture.context)
        #expect(erm.classifier.head.weight.shape == [3, 5])
        let trainer = Trainer(erm, context: late)
        _ = try trainer.train(0..<3) { _, _ in }
        _ = try Trainer(plain, context: fixture.context).train(0..<3) { _, _ in }
        for (key, value) in plain.classifier.store.state.names.map({ ($0, plain.classifier.store[$0]) }) {
            #expect(erm.classifier.store[key]?.scalars(Double.self) == value?.scalars(Double.self), "\(key)")
        }
        // What the features say, by hand of the saved numbers.
        let state = erm.classifier.store.state
        func saved(_ name: String) throws -> Tensor { try #require(state["frozen_features.\(name)"]) }
        let items = Array(0..<6)
        let features = (table.features(of: items) - (try saved("mean"))) / (try saved("deviation"))
        let opinion = features.matmul(try saved("experts.0.weight").transposed(0, 1)) + (try saved("experts.0.bias"))
        #expect(try saved("experts.0.weight").abs().max().item() > 0.01)
        let images = AlgorithmFixture.minibatches(step: 0)[0].images
        let input = ClassifierInput(images, frozenFeatures: table.features(of: items))
        let (fused, alone) = erm.classifier.evaluating {
            (erm.classifier.fused(erm.predict(input), input), erm.predict(ClassifierInput(images)))
        }
        let expected = (alone.logSoftmax(1) + 0.7 * opinion.logSoftmax(1)).softmax(1)
        #expect(relativeError(fused.softmax(1), expected) < 1e-5)
        // An image without features is judged by the network alone.
        let without = ClassifierInput(images)
        #expect(
            erm.classifier.evaluating { erm.classifier.fused(alone, without) }.scalars(Float.self) == alone.scalars())
        // Evaluation asks both.
        let (both, network) = (
            try trainer.predictions(items), try Trainer(plain, context: fixture.context).predictions(items)
        )
        #expect(zip(both, network).contains { abs($0.loss - $1.loss) > 1e-3 })
    }

    /// The minimum that PyTorch's L-BFGS finds; the same for rows in another order.
    @Test func logisticRegressionIsPyTorchs() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
        let file = try StateDict(contentsOf: "\(path)/Fixtures/logistic.safetensors")
        func wanted(_ name: String) throws -> Tensor { try #require(file[name]) }
        let (features, labels) = (try wanted("features"), try wanted("labels"))
        let probe = LogisticProbe(features, labels: labels, classes: 4, penalty: 0.05)
        #expect((probe.weight.to(dtype: .float64) - (try wanted("weight"))).abs().max().item() < 2e-3)
        let bias = probe.bias.to(dtype: .float64)
        #expect((bias - bias.mean() - (try wanted("bias"))).abs().max().item() < 2e-3)
        let back = Tensor((0..<90).reversed().map { Int64($0) })
        let other = LogisticProbe(
            features.indexSelect(0, back), labels: labels.indexSelect(0, back), classes: 4, penalty: 0.05)
        #expect((other.weight - probe.weight).abs().max().item() < 1e-6)
    }

    /// Every algorithm gives its classifier the features: the weights over them move.
    @Test(arguments: AlgorithmRegistry.standard.algorithms.map(\.name))
    func everyAlgorithmTrainsOnThem(_ name: String) throws {
        let description = try AlgorithmRegistry.standard.algorithm(named: name)
        let settings = AlgorithmResumeTests.settings[name] ?? .object([:])
        let algorithm = try description.make(settings, context: context)
        // ADRMX's head has two layers below the last.
        let key = algorithm.classifier.description.headKey + (name == "ADRMX" ? ".hidden.0.weight" : ".weight")
        // Rectifiers of a head as narrow as this might all be closed.
        for entry in algorithm.classifier.store.entries
        where entry.name.contains("hidden") && entry.name.hasSuffix("bias") {
            noGrad { entry.tensor.detached().fill_(1) }
        }
        func weights() throws -> Tensor { try #require(algorithm.classifier.store[key]).detached().cloned() }
        let before = try weights()
        _ = try Trainer(algorithm, context: context).train(0..<5) { _, metrics in
            #expect(metrics.allSatisfy { $0.value.isFinite })
        }
        let moved = (try weights() - before).abs().max([0]).scalars(Float.self)
        // MTL's head takes features and mean features.
        #expect(moved.count == (name == "MTL" ? 18 : 9))
        #expect(moved[5..<8].allSatisfy { $0 > 1e-6 }, "\(moved)")
    }

    @Test func shufflingKeepsDomainsAndNobodysOwn() throws {
        let items = Array(context.dataset.items.indices)
        func table(_ assignment: FeatureAssignment) throws -> [[Float]] {
            let made = try FrozenFeatureTable(
                Colours(assignment), dataset: context.dataset, images: context.images, device: .cpu)
            return items.map { made.features(of: [$0]).scalars(Float.self) }
        }
        let (own, shuffled) = (try table(.own), try table(.shuffled(seed: 3)))
        for environment in context.dataset.environments.indices {
            let members = items.filter { context.dataset.items[$0].environment == environment }
            #expect(Set(members.map { own[$0] }) == Set(members.map { shuffled[$0] }))
        }
        #expect(items.allSatisfy { own[$0] != shuffled[$0] })
        #expect(try table(.shuffled(seed: 3)) == shuffled)
        #expect(try table(.shuffled(seed: 4)) != shuffled)
    }

    @Test func inputsStayTogether() {
        func input(_ value: Double) -> ClassifierInput {
            ClassifierInput(.full([2, 3, 4, 4], value), frozenFeatures: .full([2, 5], 10 * value))
        }
        let mixed = input(1).mixed(with: input(2), weight: 0.25)
        #expect(mixed.images.mean().item() == 1.75 && mixed.frozenFeatures?.mean().item() == 17.5)
        let both = ClassifierInput.concatenated([input(1), input(2)])
        #expect(both.count == 4 && both.rows(2..<4).frozenFeatures?.mean().item() == 20)
        #expect(both.with(images: .zeros([4, 3, 4, 4])).frozenFeatures?.shape == [4, 5])
    }
}
