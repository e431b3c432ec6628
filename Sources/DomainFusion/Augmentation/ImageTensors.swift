import Pixels
import Torch

extension Tensor {
    /// Images of one size as float32 [N, 3, H, W] in 0…1, on the CPU.
    /// - Precondition: at least one image; all have the same size.
    static func images(_ images: [RGBImage]) -> Tensor {
        let (width, height) = (images[0].width, images[0].height)
        precondition(images.allSatisfy { $0.width == width && $0.height == height }, "images of different sizes")
        let result = Tensor.empty([images.count, 3, height, width])
        let size = 3 * height * width
        result.withUnsafeMutableBytes { bytes in
            let floats = bytes.bindMemory(to: Float.self)
            for (place, image) in images.enumerated() {
                Normalization.none.write(
                    image, into: UnsafeMutableBufferPointer(rebasing: floats[place * size..<(place + 1) * size]))
            }
        }
        return result
    }
}
