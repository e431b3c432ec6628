import Torch

/// The peak signal-to-noise ratio of each image against another one, in decibels; 100 at most, for images that are the same.
///
///     peakSignalToNoiseRatio(Tensor.zeros([2, 3, 8, 8]), Tensor.full([2, 3, 8, 8], 0.1))  // [20, 20]
///
/// - Parameters:
///   - images: [N, C, H, W] in 0…1.
///   - others: as many, of the same shape.
/// - Returns: [N].
public func peakSignalToNoiseRatio(_ images: Tensor, _ others: Tensor) -> Tensor {
    (images - others).squared().mean([1, 2, 3]).clamp(min: 1e-10).log() * (-10 / 2.302585092994046)
}
