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
}
