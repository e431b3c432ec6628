import Foundation
import Testing
import Torch

@testable import Experiments

struct TSNETests {
    /// Three clouds of ten dimensions.
    private func clouds(_ count: Int) -> Tensor {
        let generator = Generator(seed: 3)
        return .concatenated(
            (0..<3).map { cloud in
                Tensor.randn([count, 10], generator: generator) + 8 * Tensor.randn([1, 10], generator: generator)
                    + Double(cloud)
            })
    }

    @Test func likenessHasThePerplexity() {
        let count = 24
        let joint = TSNE.joint(clouds(8), perplexity: 5).scalars(Double.self)
        #expect(abs(joint.reduce(0, +) - 1) < 1e-4)
        for row in 0..<count {
            #expect(joint[row * count + row] == 0)
            for column in 0..<count { #expect(abs(joint[row * count + column] - joint[column * count + row]) < 1e-9) }
        }
        // Neighbours of the own cloud have nearly all of the likeness.
        let own = (0..<count).reduce(0) { sum, row in
            sum + (0..<count).filter { $0 / 8 == row / 8 }.reduce(0) { $0 + joint[row * count + $1] }
        }
        #expect(own > 0.98)
    }

    /// As libtorch derives the divergence.
    @Test func theGradientIsThatOfTheDivergence() {
        let likeness = TSNE.joint(clouds(5), perplexity: 4)
        let places = Tensor.randn([15, 2], generator: Generator(seed: 1))
        places.requiresGrad = true
        let weights = TSNE.kernel(places)
        let likely = (weights / weights.sum()).clamp(min: 1e-12)
        let divergence = (likeness * ((likeness.clamp(min: 1e-12)).log() - likely.log())).sum()
        divergence.backward()
        let expected = places.grad ?? Tensor.zeros([15, 2])
        let found = noGrad { TSNE.gradient(likeness, at: places) }
        #expect((found - expected).abs().max().item() < 1e-5)
        #expect(expected.abs().max().item() > 1e-3)
    }

    @Test func cloudsStayApart() {
        var tsne = TSNE()
        tsne.perplexity = 8
        tsne.steps = 400
        let places = tsne.places(clouds(12))
        #expect(places.map(\.x) == tsne.places(clouds(12)).map(\.x))
        func distance(_ a: Int, _ b: Int) -> Double {
            hypot(places[a].x - places[b].x, places[a].y - places[b].y)
        }
        for point in places.indices {
            let nearest = places.indices.filter { $0 != point }.min { distance(point, $0) < distance(point, $1) }
            #expect(nearest.map { $0 / 12 } == point / 12)
        }
    }
}
