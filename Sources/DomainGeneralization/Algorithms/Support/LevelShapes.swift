import Backbones
import Torch

extension Classifier {
    /// The shapes of what `Classifier.features(_:visit:)` visits for one image: [1, C, h, w], in transformers
    /// [1, T, C].
    /// - Parameter imageSize: side of the images, in pixels.
    public func levelShapes(imageSize: Int) -> [[Int]] {
        var shapes: [[Int]] = []
        let image = Tensor.zeros([1, 3, imageSize, imageSize], device: store.device)
        evaluating {
            _ = features(image) { _, maps in
                shapes.append(maps.shape)
                return maps
            }
        }
        return shapes
    }
}
