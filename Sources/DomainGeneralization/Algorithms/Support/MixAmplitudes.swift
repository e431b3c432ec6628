import Torch

/// Images with their own phase and, per channel, the amplitude `(1 − w)·own + w·other`, cut to 0…1.
/// - Parameters:
///   - images: [N, C, H, W] in 0…1; `others` likewise.
///   - weights: [N, 1, 1, 1] in 0…1.
public func mixAmplitudes(_ images: Tensor, with others: Tensor, weights: Tensor) -> Tensor {
    let own = images.contiguous().rfft2()
    let amplitude = own.abs().lerp(to: others.contiguous().rfft2().abs(), weight: weights)
    return amplitude.polar(phase: own.angle()).irfft2(images.size(2), images.size(3)).clamp(min: 0, max: 1)
}
