import Diffusion
import Torch

/// The U-Net of the embedded LDM on 16 latents of 16×16, channels-last.
enum UNetBenchmark {
    private static let batch = 16

    private static func model() -> UNet2DConditionModel {
        var config = UNet2DConditionConfig()
        config.sampleSize = 16
        config.blockOutChannels = [48, 96, 192]
        config.downAttention = [false, true, true]
        config.upAttention = [true, true, false]
        config.layersPerBlock = [1, 1, 1]
        config.transformerLayers = [1, 1, 1]
        config.heads = [2, 4, 6]
        config.normGroups = 16
        config.crossAttentionWidth = 128
        config.textEmbeddingHeads = 4
        let unet = UNet2DConditionModel(ParameterStore(seed: 0), config)
        unet.store.useChannelsLast()
        return unet
    }

    private struct Inputs {
        let latents, noise, timesteps, context: Tensor

        init() {
            let generator = Generator(seed: 0)
            latents = Tensor.randn([batch, 4, 16, 16], generator: generator).contiguous(.channelsLast)
            noise = Tensor.randn([batch, 4, 16, 16], generator: generator).contiguous(.channelsLast)
            timesteps = Tensor.randint(0..<1000, [batch], generator: generator)
            context = Tensor.randn([batch, 32, 128], generator: generator)
        }
    }

    /// One evaluation without gradients.
    static func forward() -> [Measurement] {
        let (unet, inputs) = (model(), Inputs())
        unet.store.packsWeights = true  // as a model that was loaded has it
        return [1, 2].map { threads in
            Machine.threads = threads
            return measure("unet-forward.\(threads)", threads: threads, warmup: 3, repetitions: 15) {
                inferenceMode { _ = unet(inputs.latents, timesteps: inputs.timesteps, context: inputs.context) }
            }
        }
    }

    /// One training step: forward, mean squared error, backward, AdamW.
    static func trainStep() -> [Measurement] {
        let (unet, inputs) = (model(), Inputs())
        unet.store.setRequiresGrad(true)
        let optimizer = Optimizer(.adamW(), unet.store.parameters, learningRate: 1e-4)
        return [1, 2].map { threads in
            Machine.threads = threads
            return measure("unet-train-step.\(threads)", threads: threads, warmup: 2, repetitions: 9) {
                optimizer.zeroGrad()
                let output = unet(inputs.latents, timesteps: inputs.timesteps, context: inputs.context)
                meanSquaredError(output, inputs.noise).backward()
                optimizer.step()
            }
        }
    }
}
