import Pixels
import Torch

extension RGBImage {
    /// The image as a batch of one, [1, 3, height, width] in [0, 1].
    public func tensor() -> Tensor { Tensor(Normalization.none.planes(self), shape: [1, 3, height, width]) }
}

extension Tensor {
    /// The images of a batch [N, 3, H, W] in [0, 1], rounded to 8 bits; values outside are cut off.
    /// - Precondition: the shape is that.
    public func rgbImages() -> [RGBImage] {
        precondition(rank == 4 && size(1) == 3, "a tensor of shape \(shape) is not a batch of RGB images")
        let (height, width) = (size(2), size(3))
        let planes = scalars(Float.self)
        return planes.withUnsafeBufferPointer { buffer in
            (0..<size(0)).map { index in
                let start = index * 3 * height * width
                return Normalization.none.image(
                    UnsafeBufferPointer(rebasing: buffer[start..<(start + 3 * height * width)]), width: width,
                    height: height)
            }
        }
    }
}
