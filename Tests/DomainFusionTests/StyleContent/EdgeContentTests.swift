import DomainFusion
import Foundation
import Pixels
import Testing
import Torch

@Suite struct EdgeContentTests {
    /// A bright bar from one column to another on a dark ground, [1, 3, 32, 32].
    private func bar(_ columns: Range<Int>, low: Float = 0.25, high: Float = 0.75) -> Tensor {
        let row = (0..<32).map { columns.contains($0) ? high : low }
        return Tensor((0..<3 * 32).flatMap { _ in row }, shape: [1, 3, 32, 32])
    }

    private func similarity(_ a: Tensor, _ b: Tensor) -> Double {
        let edges = EdgeContent()
        return edges.contentSimilarity(edges.contents(a), edges.contents(b)).item()
    }

    /// A step of ½ between two columns: a gradient of ¼ in each of three channels at both, spread by the Gaussian.
    @Test func aStepIsAGaussian() {
        let edges = EdgeContent(blur: 1.5 / 32)
        let map = edges.contents(bar(16..<32))
        #expect(map.shape == [1, 1, 30, 30])
        let reach = 5
        let weights = (-reach...reach).map { exp(-Double($0 * $0) / (2 * 1.5 * 1.5)) }
        let sum = weights.reduce(0, +)
        func weight(_ distance: Int) -> Double { abs(distance) > reach ? 0 : weights[reach + distance] / sum }
        #expect(abs(map.mean().item()) < 1e-6)
        let row = map.reshaped(30, 30)[15].scalars(Double.self)
        for column in 0..<30 {
            // The map begins at the image's second column.
            let expected = 0.25 * 3.0.squareRoot() * (weight(column - 14) + weight(column - 15))
            #expect(abs(row[column] - row[0] - expected) < 1e-6, "column \(column)")
        }
    }

    @Test func contrastAndInversionDoNotMatter() {
        let image = bar(8..<20)
        #expect(abs(similarity(image, image * 0.3 + 0.1) - 1) < 1e-5)
        #expect(abs(similarity(image, 1 - image) - 1) < 1e-5)
    }

    /// Against NumPy's numbers for the same bars.
    @Test func shapesMatter() {
        let image = bar(8..<20)
        for (other, wanted) in [
            (bar(9..<20), 0.87927), (bar(10..<20), 0.62992), (bar(13..<26), -0.35424),
            (image.transposed(2, 3), 0.01803),
        ] { #expect(abs(similarity(image, other) - wanted) < 1e-4) }
        // One is compared with many.
        let edges = EdgeContent()
        let maps = edges.contents(.concatenated([image, bar(13..<26), image]))
        let all = edges.contentSimilarity(maps[0..<1], maps).scalars(Double.self)
        #expect(all.count == 3 && all[0] > 0.999 && abs(all[1] + 0.35424) < 1e-4 && all[2] > 0.999)
    }

    /// A flat image has no edges: nothing is like it, and nothing is no number.
    @Test func aFlatImageIsLikeNothing() {
        #expect(similarity(bar(0..<32), bar(8..<20)) == 0)
    }
}
