import Backbones
import Diffusion
import DomainFusion
import DomainGeneralization
import Torch

/// A part of the toolkit whose numbers on a device are compared with those on the CPU in double precision, where libtorch's plain
/// operators work.
struct SelfTestPart: Sendable {
    /// Where and how precisely a part computes.
    struct Place {
        let device: Device
        let dtype: DType

        /// Numbers of the standard normal distribution, the same at every place: drawn on the CPU in float32.
        func noise(_ shape: [Int], seed: UInt64) -> Tensor {
            let drawn = Tensor.randn(shape, generator: Generator(seed: seed)).to(device: device, dtype: dtype)
            return shape.count == 4 ? drawn.contiguous(.channelsLast) : drawn
        }

        /// A model of fresh parameters, the same at every place: drawn on the CPU in float32.
        func model<Model>(seed: UInt64, _ build: (ParameterStore) throws -> Model) rethrows -> Model {
            let drawn = ParameterStore(seed: seed)
            _ = try build(drawn)
            return try build(ParameterStore(drawn.state, name: "self-test", device: device, dtype: dtype))
        }
    }

    let name: String
    /// What a large model is run in beside float32.
    let isLowPrecisionToo: Bool
    /// The results, as float64 on the CPU.
    let results: @Sendable (Place) throws -> [Tensor]

    init(
        _ name: String, isLowPrecisionToo: Bool = false, _ results: @escaping @Sendable (Place) throws -> [Tensor?]
    ) {
        self.name = name
        self.isLowPrecisionToo = isLowPrecisionToo
        self.results = { place in
            try results(place).compactMap { $0?.detached().to(device: .cpu, dtype: .float64).contiguous() }
        }
    }

    /// All parts.
    static let all: [SelfTestPart] =
        [layers, spectrum, adam]
        + ["resnet18", "tf_efficientnet_lite0", "convnext_tiny", "vit_small_patch16_224"].map(training)
        + [textEncoder, autoencoder, unet]

    /// Convolution, batch norm and activation, forward and back.
    private static let layers = SelfTestPart("convolution, batch norm, ReLU; gradient") { place in
        let (store, convolution, norm) = place.model(seed: 1) { store in
            (
                store, Conv2d(store.root / "conv", in: 8, out: 16, kernel: 3, stride: 2, padding: 1, bias: false),
                BatchNorm2d(store.root / "norm", channels: 16)
            )
        }
        store.isTraining = true
        store.setRequiresGrad(true)
        let images = place.noise([8, 8, 32, 32], seed: 2)
        images.requiresGrad = true
        let maps = norm(convolution(images), .relu)
        (maps * place.noise(maps.shape, seed: 3)).sum().backward()
        return [maps, images.grad, store["norm.running_var"]] + store.parameters.map(\.grad)
    }

    private static let spectrum = SelfTestPart("Fourier amplitude and phase") { place in
        let space = FourierSpace()
        let images = place.noise([4, 3, 32, 32], seed: 4).clamp(min: 0, max: 1)
        let parts = space.decompose(images)
        let others = Tensor.concatenated([parts.style[1..<4], parts.style[0..<1]])
        return [parts.style, space.compose(style: others, content: parts.content)]
    }

    private static let adam = SelfTestPart("Adam, five steps") { place in
        let parameter = place.noise([200, 30], seed: 5)
        parameter.requiresGrad = true
        let optimizer = Optimizer(.adam(), groups: [ParameterGroup([parameter])], learningRate: 0.01, weightDecay: 0.1)
        for step in 0..<5 {
            parameter.grad = place.noise([200, 30], seed: 6 + UInt64(step))
            optimizer.step()
        }
        return [parameter]
    }

    /// The features of a network and the gradient of a loss, batch norm frozen: with so few images its statistics magnify rounding.
    private static func training(_ name: String) -> SelfTestPart {
        SelfTestPart("\(name), features and gradient") { place in
            let description = try Backbones.named(name)
            let generator = Generator(seed: 0, device: place.device)
            let (store, network, head) = place.model(seed: 7) { store in
                let network = description.make(store.root, BackboneOptions(freezeBatchNorm: true), generator)
                return (store, network, Linear(store.root / "test_head", in: network.featureCount, out: 5))
            }
            store.isTraining = true
            store.setRequiresGrad(true)
            let features = network.features(place.noise([4, 3, 64, 64], seed: 8)) { $1 }
            let labels = Tensor([0, 1, 2, 3], device: place.device)
            crossEntropy(head(features), labels).backward()
            let gradients = store.parameters.compactMap { $0.grad?.to(dtype: .float64).flattened(from: 0) }
            return [features, .concatenated(gradients)]
        }
    }

    private static let textEncoder = SelfTestPart("CLIP text encoder", isLowPrecisionToo: true) { place in
        var config = CLIPTextConfig()
        (config.width, config.feedForwardWidth, config.layers, config.heads) = (64, 256, 2, 4)
        let ids = Tensor((0..<2 * config.length).map { ($0 * 7919) % 1000 }, shape: [2, config.length])
        return [noGrad { place.model(seed: 9) { CLIPTextModel($0, config) }(ids.to(device: place.device)) }]
    }

    private static let autoencoder = SelfTestPart("autoencoder, there and back", isLowPrecisionToo: true) { place in
        var config = AutoencoderKLConfig()
        (config.blockOutChannels, config.layersPerBlock, config.normGroups) = ([32, 64], 1, 16)
        return noGrad {
            let model = place.model(seed: 10) { AutoencoderKL($0, config) }
            let latents = model.encode(place.noise([2, 3, 32, 32], seed: 11) * 0.3)
            return [latents, model.decode(place.noise([2, config.latentChannels, 16, 16], seed: 12))]
        }
    }

    private static let unet = SelfTestPart("U-Net, noise prediction", isLowPrecisionToo: true) { place in
        var config = UNet2DConditionConfig()
        config.blockOutChannels = [32, 64]
        (config.downAttention, config.upAttention) = ([true, false], [false, true])
        (config.layersPerBlock, config.transformerLayers, config.heads) = ([1, 1], [1, 1], [2, 4])
        (config.normGroups, config.crossAttentionWidth) = (16, 64)
        return [
            noGrad {
                place.model(seed: 13) { UNet2DConditionModel($0, config) }(
                    place.noise([2, config.inChannels, 16, 16], seed: 14),
                    timesteps: Tensor([10, 700], device: place.device), context: place.noise([2, 20, 64], seed: 15))
            }
        ]
    }
}
