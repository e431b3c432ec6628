import DomainGeneralization
import Foundation
import Foundations
import Torch

/// The content of an image as its edges: at each pixel the length of the gradient over all channels, blurred. Two are alike as
/// their correlation: 1 for the same edges, about 0 for unrelated ones.
///
/// Another contrast, other colours and an inversion leave the edges where they are, another line or shape does not; the
/// blur lets lines lie a few pixels apart.
public struct EdgeContent: ContentMeasure, Sendable {
    /// Standard deviation of the Gaussian that blurs, as a share of the images' width.
    public let blur: Double

    /// Edges, blurred by a share of the images' width.
    /// - Precondition: `blur` is above 0.
    public init(blur: Double = 1 / 32) {
        precondition(blur > 0, "the blur is a share of the width above 0, not \(blur)")
        self.blur = blur
    }

    /// The measure's name and its blur.
    public var fingerprint: JSONValue { .object(["contents": .string("edges"), "blur": .double(blur)]) }
    /// No autoencoder is asked.
    public var vaePassesPerContent: Int { 0 }

    /// Blurred lengths of the gradients of images [N, 3, H, W], from central differences, less their mean: [N, 1, H − 2, W − 2].
    public func contents(_ images: Tensor) -> Tensor {
        let (height, width) = (images.size(2), images.size(3))
        /// Half the difference of the two neighbours along a dimension, inside the border.
        func slope(_ dimension: Int, across: Int) -> Tensor {
            let inside = images.narrowed(across, start: 1, length: images.size(across) - 2)
            let length = images.size(dimension) - 2
            return
                (inside.narrowed(dimension, start: 2, length: length)
                - inside.narrowed(dimension, start: 0, length: length)) * 0.5
        }
        let squares = slope(2, across: 3).squared() + slope(3, across: 2).squared()
        let lengths = squares.sum([1]).sqrt().reshaped(-1, 1, height - 2, width - 2)
        let kernel = Self.gaussian(blur * Double(width)).to(device: images.device, dtype: images.dtype)
        let (count, border) = (kernel.count, kernel.count / 2)
        let blurred = lengths.padded([border, border, border, border])
            .conv2d(kernel.reshaped(1, 1, count, 1), nil).conv2d(kernel.reshaped(1, 1, 1, count), nil)
        return blurred - blurred.mean([2, 3], keepDimensions: true)
    }

    /// The correlation of the two maps, row by row: [N].
    public func contentSimilarity(_ a: Tensor, _ b: Tensor) -> Tensor {
        cosineSimilarity(a.flattened(from: 1), b.flattened(from: 1))
    }

    /// Weights at whole distances up to three deviations, of sum 1.
    private static func gaussian(_ deviation: Double) -> Tensor {
        let reach = Int((3 * deviation).rounded(.up))
        let weights = (-reach...reach).map { exp(-Double($0 * $0) / (2 * deviation * deviation)) }
        let sum = weights.reduce(0, +)
        return Tensor(weights.map { Float($0 / sum) })
    }
}
