import Backbones
import DomainGeneralization
import Foundation
import Testing
import Torch

@testable import DomainFusion

/// Terms of the loss that compare what is said of two images, or by two classifiers.
struct TermTests {
    private let logits = Tensor([2, 0, -1, 0.5, 0.5, 3] as [Float], shape: [2, 3])
    private let others = Tensor([1, 1, 0, -2, 0, 1] as [Float], shape: [2, 3])

    /// KL(p ‖ q) by hand, the mean over the rows.
    private func divergence(_ p: Tensor, _ q: Tensor, temperature: Double) -> Double {
        func softmax(_ row: [Double]) -> [Double] {
            let exponents = row.map { exp($0 / temperature) }
            return exponents.map { $0 / exponents.reduce(0, +) }
        }
        let rows = (0..<2).map { row in
            zip(softmax(p[row].scalars(Double.self)), softmax(q[row].scalars(Double.self)))
                .reduce(0) { $0 + $1.0 * Foundation.log($1.0 / $1.1) }
        }
        return rows.reduce(0, +) / 2
    }

    private func images(added: AddedImages? = nil) -> ClassifiedImages {
        ClassifiedImages(
            images: .zeros([2, 3, 4, 4]), labels: Tensor([Int64(0), 2]), items: [4, 7], logits: logits, added: added)
    }

    @Test func theDivergenceIsKullbackAndLeiblers() {
        let found = distillationLoss(logits, others.softmax(1)).item()
        #expect(abs(found - divergence(others, logits, temperature: 1)) < 1e-6)
        // A class that the target is sure about.
        let sure = Tensor([1, 0, 0, 0, 0, 1] as [Float], shape: [2, 3])
        #expect(abs(distillationLoss(logits, sure).item() - crossEntropy(logits, Tensor([Int64(0), 2])).item()) < 1e-6)
    }

    @Test func theTeacherSeesAllImages() throws {
        var settings = TeacherSettings()
        (settings.weight, settings.temperature) = (0.5, 2)
        var asked: [[Int]] = []
        let term = TeacherTerm(
            settings,
            teacher: Teacher { [others] images, items in
                asked.append(items)
                return images.size(0) == 2 ? others : .concatenated([others, others])
            })
        let (loss, metrics) = try term.loss(images(), step: 0)
        let expected = 4 * divergence(others, logits, temperature: 2)
        #expect(abs(loss.item() - 0.5 * expected) < 1e-5 && abs(metrics[0].value - expected) < 1e-5)
        let added = AddedImages(
            inputs: ClassifierInput(.ones([2, 3, 4, 4])), items: [9, 4], logits: others, predict: { $0.images })
        let both = try term.loss(images(added: added), step: 0).loss.item()
        // The added images' logits are the teacher's own: half of the mean is 0.
        #expect(abs(both - 0.25 * expected) < 1e-5)
        #expect(asked == [[4, 7], [4, 7, 9, 4]])
    }

    private static func reference() throws -> StateDict { try StateDict(contentsOf: fixture("terms.safetensors")) }

    private func difference(_ a: Tensor?, _ b: Tensor?) throws -> Double {
        let (a, b) = (try #require(a), try #require(b))
        try #require(a.shape == b.shape)
        return (a - b).abs().max().item()
    }

    /// Distance and gradient of one step against PyTorch's.
    @Test func featureDistancesArePyTorchs() throws {
        let reference = try Self.reference()
        let target = try #require(reference["lfd.target"])
        for (form, input) in [("cosine", "projected"), ("relations", "features")] {
            let features = try #require(reference["lfd.\(input)"]).cloned()
            features.requiresGrad = true
            let loss =
                form == "cosine"
                ? featureDistance(features, target) : relationDistance(features, target, temperature: 0.1)
            #expect(try difference(loss.detached(), reference["lfd.\(form)"]) < 1e-12)
            #expect(
                try difference(gradients(of: [loss], with: [features])[0], reference["lfd.\(form).gradient"]) < 1e-12)
        }
    }

    /// The confidence at each place of maps, enlarged to the image, against PyTorch's.
    @Test func confidenceMasksArePyTorchs() throws {
        let reference = try Self.reference()
        let maps = try #require(reference["mask.logits"])
        let mask = placeConfidence(maps, labels: try #require(reference["mask.labels"]), size: 16)
        #expect(try difference(mask, reference["mask.enlarged"]) < 1e-12)
    }

    /// The gradient by a mask of confidences, through the VAE's encoder, against diffusers' networks; of equal confidences it sums
    /// to that by the one number.
    @Test func distillationUnderMasksIsPyTorchs() throws {
        let reference = try Self.reference()
        let model = try tinyModel("sd1", dtype: .float64)
        let distillation = LatentDistillation(FrozenDenoiser(model), LatentDistillationSettings())
        let images = try #require(reference["ld.images"])
        let draw = NoiseDraw(times: try #require(reference["ld.times"]), noise: try #require(reference["ld.noise"]))
        func gradient(_ confidence: Tensor) -> Tensor? {
            let confidence = confidence.cloned()
            confidence.requiresGrad = true
            let losses = distillation.surrogate(
                images, context: model.embed(["a dog", "the art"]), confidence: confidence, draw: draw)
            return gradients(of: [losses.sum()], with: [confidence])[0]
        }
        let wanted = try #require(reference["ld.gradient"])
        let found = gradient(try #require(reference["ld.mask"]))
        // The schedule is in float32 in both.
        #expect(try difference(found, wanted) < 1e-7 * wanted.abs().max().item())
        let scalar = Tensor([0.3, 0.8] as [Double])
        let even = try #require(
            gradient(scalar.reshaped(2, 1, 1, 1).expanded(images.narrowed(1, start: 0, length: 1).shape)))
        let one = try #require(gradient(scalar))
        #expect(try difference(even.sum([1, 2, 3]), one) < 1e-9 * one.abs().max().item())
    }
}
