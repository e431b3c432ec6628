import Testing
import Torch

@testable import Backbones

@Suite struct BackboneTests {
    @Test(arguments: Backbones.all.map(\.name))
    func equalsTheReferenceInEvaluation(_ name: String) throws {
        let reference = try #require(BackboneReference.all[name])
        let classifier = try Formula.classifier(name)
        #expect(classifier.backbone.featureCount == reference.featureCount)
        #expect(classifier.store.entries.count == reference.keys)
        #expect(classifier.store.parameterCount == reference.parameters)
        let square = Formula.images("square", 2, 3, 64, 64)
        classifier.evaluating {
            let features = classifier.features(square)
            #expect(features.shape == [2, reference.featureCount])
            #expect(relativeError(features.narrowed(1, start: 0, length: 16), reference.features) < 1e-4)
            #expect(relativeError(classifier(square), reference.square) < 1e-4)
            #expect(relativeError(classifier(Formula.images("odd", 2, 3, 65, 70)), reference.odd) < 1e-4)
        }
    }

    @Test(arguments: Backbones.all.map(\.name).filter { BackboneReference.all[$0]?.training != nil })
    func equalsTheReferenceInTraining(_ name: String) throws {
        let reference = try #require(BackboneReference.all[name]?.training)
        let description = try Backbones.named(name)
        // In double precision: a deep network of random weights multiplies rounding errors.
        let store = ParameterStore(seed: 0, dtype: .float64)
        let backbone = description.make(store.root, BackboneOptions(), Generator(seed: 0))
        let head = Linear(store.root / description.headKey, in: backbone.featureCount, out: Formula.classCount)
        try store.load(Formula.weights(like: store), name: "formula")
        store.useChannelsLast()
        store.setRequiresGrad(true)
        store.isTraining = true
        let images = Formula.images("batch", 8, 3, 64, 64).to(dtype: .float64).contiguous(.channelsLast)
        let loss = crossEntropy(head(backbone.features(images)), Tensor((0..<8).map { $0 % Formula.classCount }))
        #expect(abs(loss.item() / reference.loss - 1) < 1e-9)
        loss.backward()
        for entry in store.entries {
            let key = entry.name
            if entry.isParameter {
                let norm = try #require(reference.gradientNorms[key])
                let sum = try #require(reference.gradientSums[key])
                let gradient = try #require(entry.tensor.grad)
                // Batch norm takes away the gradient of a shift before it, but for rounding errors.
                let tolerance = 1e-6 * norm + 1e-9
                #expect(abs(gradient.norm().item() - norm) < tolerance, "\(key)")
                let check = Formula.noise("check", gradient.shape).to(dtype: .float64)
                #expect(abs((gradient * check).sum().item() - sum) < tolerance, "\(key)")
            } else if let norm = reference.running[key] {
                #expect(abs(entry.tensor.norm().item() / norm - 1) < 1e-9, "\(key)")
            }
        }
    }
}
