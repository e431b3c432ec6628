import Foundation
import Foundations
import Torch

/// How pixels in [0, 1] become a backbone's input: (pixel − mean) / deviation, a channel at a time.
public struct InputNormalisation: Sendable, Equatable {
    /// The name for help texts and settings: `imagenet`, `inception` or `clip`.
    public let name: String
    /// Means of red, green and blue.
    public let mean: [Double]
    /// Standard deviations of red, green and blue.
    public let deviation: [Double]

    /// ImageNet's statistics: torchvision's and most of timm's weights.
    public static let imageNet = InputNormalisation(
        name: "imagenet", mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])
    /// [−1, 1]: weights that come from TensorFlow.
    public static let inception = InputNormalisation(
        name: "inception", mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5])
    /// The statistics of OpenAI's CLIP, of its own training images.
    public static let clip = InputNormalisation(
        name: "clip", mean: [0.48145466, 0.4578275, 0.40821073], deviation: [0.26862954, 0.26130258, 0.27577711])

    /// The normalised images: [N, 3, H, W] in the same shape, type and device.
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
    /// The name in settings and on the command line: `resnet50`.
    public let name: String
    /// Other names that people know it by.
    public let aliases: [String]
    /// One line for help texts.
    public let summary: String
    /// How the backbone's inputs are made of pixels.
    public let normalisation: InputNormalisation
    /// Side in pixels of the images that public weights were trained on. Other sizes work.
    public let imageSize: Int
    /// Key of the linear layer over the features.
    public let headKey: String
    /// Files that public ImageNet weights usually lie in: relative to a checkout, or with `~` for the home folder.
    public let weightFiles: [String]
    /// Builds the network in a store of any device and precision.
    package let make: @Sendable (Scope, BackboneOptions, Generator) -> any Backbone
    /// Brings the keys of other publishers to ours.
    let rename: @Sendable (StateDict) -> StateDict
    /// The name of the network that a checkpoint, from a file, says to be of; nil where it does not say.
    let claim: @Sendable (StateDict, _ file: String) -> String?
    /// Another network of the same keys and shapes, by its name.
    public let twin: String?
    /// Where the parameter of a key lies.
    let place: @Sendable (String) -> LayerPlace

    init(
        _ name: String, aliases: [String] = [], summary: String, normalisation: InputNormalisation, imageSize: Int,
        headKey: String, weightFiles: [String] = [], twin: String? = nil,
        make: @escaping @Sendable (Scope, BackboneOptions, Generator) -> any Backbone,
        rename: @escaping @Sendable (StateDict) -> StateDict = { $0 },
        claim: @escaping @Sendable (StateDict, String) -> String? = { _, _ in nil },
        place: @escaping @Sendable (String) -> LayerPlace
    ) {
        self.name = name
        self.aliases = aliases
        self.summary = summary
        self.normalisation = normalisation
        self.imageSize = imageSize
        self.headKey = headKey
        self.weightFiles = ["data/weights/\(name).safetensors"] + weightFiles
        self.make = make
        self.rename = rename
        self.claim = claim
        self.twin = twin
        self.place = place
    }

    /// Whether weights may be of ``twin`` as well, for all that they say.
    /// - Parameter path: their file.
    public func isAmbiguous(_ weights: StateDict, file path: String) -> Bool {
        twin != nil && claim(weights, path) == nil
    }

    /// Refuses weights that say to be of another network of the same keys.
    /// - Parameter path: their file.
    /// - Throws: `UserError` naming both networks.
    func check(_ weights: StateDict, file path: String) throws {
        guard let other = claim(weights, path), other != name else { return }
        throw UserError(
            "\(path): weights of \(other), whose padding and batch norm are not those of \(name); take \(other) as the "
                + "backbone, or rename the file if its name is wrong")
    }

    /// The first of ``weightFiles`` that exists, or nil.
    /// - Parameter installed: where relative paths are looked for.
    public func installedWeights(in installed: InstalledFiles = .here) -> String? {
        weightFiles.lazy.compactMap { file in
            guard file.hasPrefix("~/") else { return installed.find(file) }
            let path = NSHomeDirectory() + file.dropFirst()
            return Files.exists(path) ? path : nil
        }.first
    }
}
