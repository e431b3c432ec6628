import Foundation
import Pixels
import Testing
import Torch

@testable import DomainFusion

@Suite struct SpectralNoiseTests {
    /// The mean amplitude of each ring over the whole plane of frequencies, by channel: what the half plane must amount to.
    private func rings(_ image: Tensor) -> [[Double]] {
        let (height, width) = (image.size(2), image.size(3))
        let amplitudes = image.fft2().abs().scalars(Double.self)
        return (0..<3).map { channel in
            var (sums, counts) = ([Int: Double](), [Int: Double]())
            for y in 0..<height {
                for x in 0..<width {
                    let (fy, fx) = (
                        Double(min(y, height - y)) / Double(height), Double(min(x, width - x)) / Double(width)
                    )
                    let ring = Int((hypot(fy, fx) * Double(max(height, width))).rounded())
                    sums[ring, default: 0] += amplitudes[(channel * height + y) * width + x]
                    counts[ring, default: 0] += 1
                }
            }
            return sums.keys.sorted().map { (sums[$0] ?? 0) / (counts[$0] ?? 1) }
        }
    }

    @Test(arguments: [(32, 32), (24, 32)])
    func itsRingsHaveTheImagesMeanAmplitudes(_ height: Int, _ width: Int) {
        let picture = picture(domain: 1, label: 2, number: 3).resized(width: width, height: height)
        let image = Tensor(Normalization.none.planes(picture), shape: [1, 3, height, width])
        let noise = SpectralNoise.like(image, seed: 5)
        #expect(noise.shape == image.shape)
        for (own, wanted) in zip(rings(noise), rings(image)) {
            #expect(own.count == wanted.count && own.count > 16)
            for (a, b) in zip(own, wanted) { #expect(abs(a - b) <= 1e-3 * max(1, b)) }
        }
    }

    @Test func itIsAFunctionOfTheSeedAndHasNothingOfThePicture() {
        let image = Tensor(
            Normalization.none.planes(picture(domain: 0, label: 1, number: 0).resized(width: 32, height: 32)),
            shape: [1, 3, 32, 32])
        func noise(_ seed: UInt64) -> Tensor { SpectralNoise.like(image, seed: seed) }
        #expect(noise(1).scalars(Float.self) == noise(1).scalars(Float.self))
        /// The cosine of two images without their means.
        func likeness(_ a: Tensor, _ b: Tensor) -> Double {
            let (a, b) = (a - a.mean([2, 3], keepDimensions: true), b - b.mean([2, 3], keepDimensions: true))
            return cosineSimilarity(a.flattened(from: 1), b.flattened(from: 1)).item()
        }
        let seeds = (1...8).map { noise(UInt64($0)) }
        #expect(abs(seeds.map { likeness($0, image) }.reduce(0, +) / 8) < 0.2)
        #expect(likeness(seeds[0], seeds[1]) < 0.8)
    }
}
