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
        let classifier = try Formula.classifier(name)
        classifier.isTraining = true
        let labels = Tensor((0..<8).map { $0 % Formula.classCount })
        let loss = crossEntropy(classifier(Formula.images("batch", 8, 3, 64, 64)), labels)
        #expect(abs(loss.item() / reference.loss - 1) < 1e-4)
        loss.backward()
        for entry in classifier.store.entries {
            let key = entry.name
            if entry.isParameter {
                let norm = try #require(reference.gradientNorms[key])
                let sum = try #require(reference.gradientSums[key])
                let gradient = try #require(entry.tensor.grad).to(dtype: .float64)
                // A shift before a batch norm has no gradient but rounding errors.
                let tolerance = 2e-3 * norm + 1e-4
                #expect(abs(gradient.norm().item() - norm) < tolerance, "\(key)")
                let check = Formula.noise("check", gradient.shape).to(dtype: .float64)
                #expect(abs((gradient * check).sum().item() - sum) < tolerance, "\(key)")
            } else if let norm = reference.running[key] {
                #expect(abs(entry.tensor.norm().item() / norm - 1) < 1e-4, "\(key)")
            }
        }
    }
}
