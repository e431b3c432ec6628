import Backbones
import Foundations
import Pixels
import Torch

/// Says how alike two images are to a network: the cosine of their features.
@main
struct Alike {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.count == 3, let weights = arguments.first else {
            throw UserError("usage: alike WEIGHTS IMAGE IMAGE, with the weights of timm's tf_efficientnet_lite0")
        }
        let network = try Backbones.named("tf_efficientnet_lite0")
        let classifier = try Classifier(
            network, classCount: 1000, weights: StateDict(contentsOf: weights), name: weights, seed: 0)

        let pipeline = ImagePipeline([Resize(network.imageSize)], normalization: .none)
        var generator = SeededGenerator(seed: 0)
        let images = try arguments.dropFirst().map { path in
            let image = pipeline.apply(try ImageFile.decode(path), using: &generator)
            return Tensor(pipeline.normalization.planes(image), shape: [3, image.height, image.width])
        }
        let features = try withTorchErrors {
            classifier.evaluating { classifier.features(network.normalisation(.stacked(images))) }
        }
        print(cosineSimilarity(features[0..<1], features[1..<2]).item())
    }
}
