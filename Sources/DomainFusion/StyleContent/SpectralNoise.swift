import Foundation
import Torch

/// Noise that has of an image only how its amplitudes fall with the frequency: what is left of a style without any picture.
///
/// White noise is scaled so that its amplitude, averaged over each ring of equal frequency (one cycle wide, channel by
/// channel), is the image's. The ring of the zeroth frequency is that alone: the channels' means stay, up to their sign.
enum SpectralNoise {
    /// Noise like an image: both [1, 3, H, W]. It may leave 0…1, so that nothing of its amplitudes is cut off.
    /// - Precondition: the width is even.
    static func like(_ image: Tensor, seed: UInt64) -> Tensor {
        let (height, width) = (image.size(2), image.size(3))
        precondition(width % 2 == 0, "images have an even width, not \(width)")
        let white = Tensor.randn([1, 3, height, width], generator: Generator(seed: seed)).rfft2()
        let rings = Rings(height: height, width: width)
        let amplitudes = rings.averaged(image.contiguous().rfft2().abs())
        return (white * (amplitudes / rings.averaged(white.abs()).clamp(min: 1e-12))).irfft2(height, width)
    }

    /// Rings of equal frequency in the half of a spectrum that `Tensor.rfft2()` gives.
    private struct Rings {
        /// Whether a frequency is in a ring, [H · (W/2 + 1), rings], and its part of the ring's mean.
        private let members, parts: Tensor

        init(height: Int, width: Int) {
            let columns = width / 2 + 1
            let side = Double(max(height, width))
            var numbers: [Int64] = []
            var weights: [Float] = []
            for y in 0..<height {
                for x in 0..<columns {
                    let cycles = hypot(Double(min(y, height - y)) / Double(height), Double(x) / Double(width)) * side
                    numbers.append(Int64(cycles.rounded()))
                    // The columns between the first and the last stand for their mirror images, too.
                    weights.append(x == 0 || x == columns - 1 ? 1 : 2)
                }
            }
            members = Tensor(numbers).oneHot(Int(numbers.max() ?? 0) + 1).to(dtype: .float32)
            let weighted = members * Tensor(weights, shape: [weights.count, 1])
            parts = weighted / weighted.sum([0]).clamp(min: 1)
        }

        /// Each amplitude [1, 3, H, W/2 + 1] replaced by its ring's mean.
        func averaged(_ amplitudes: Tensor) -> Tensor {
            amplitudes.flattened(from: 2).matmul(parts).matmul(members.transposed(0, 1)).reshaped(amplitudes.shape)
        }
    }
}
