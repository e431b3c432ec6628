import Testing
import Torch

@testable import Diffusion

/// The models on random weights against transformers and diffusers.
struct ModelParityTests {
    static let tolerance = 1e-4

    private func store(_ file: String) throws -> ParameterStore {
        ParameterStore(try StateDict(safetensors: file), name: file)
    }

    private func unet(_ reference: DiffusionReference) throws -> UNet2DConditionModel {
        let folder = "\(reference.folder)/unet"
        let unet = UNet2DConditionModel(
            try store("\(folder)/diffusion_pytorch_model.safetensors"),
            try UNet2DConditionConfig(path: "\(folder)/config.json"))
        try unet.store.verify()
        return unet
    }

    private func vae(_ reference: DiffusionReference) throws -> AutoencoderKL {
        let folder = "\(reference.folder)/vae"
        let vae = AutoencoderKL(
            try store("\(folder)/diffusion_pytorch_model.safetensors"),
            try AutoencoderKLConfig(path: "\(folder)/config.json"))
        try vae.store.verify()
        return vae
    }

    @Test(arguments: DiffusionReference.kinds)
    func textEncoderEqualsTransformers(kind: String) throws {
        let reference = try DiffusionReference(kind)
        let folder = "\(reference.folder)/text_encoder"
        let encoder = CLIPTextModel(
            try store("\(folder)/model.safetensors"), try CLIPTextConfig(path: "\(folder)/config.json"))
        try encoder.store.verify()
        let states = try encoder(reference.tensor("text.input_ids"))
        #expect(try relativeError(states, reference.tensor("text.last_hidden_state")) < Self.tolerance)
    }

    /// What hooks on diffusers' blocks see, of all blocks at once and of each alone, where the others are not computed.
    @Test(arguments: DiffusionReference.kinds)
    func mapsOfBlocksEqualDiffusers(kind: String) throws {
        let reference = try DiffusionReference(kind)
        let unet = try unet(reference)
        func maps(_ blocks: Set<UNetBlock>) throws -> [UNetBlock: Tensor] {
            try unet.maps(
                of: blocks, reference.tensor("unet.sample"), timesteps: reference.tensor("unet.timestep"),
                context: reference.tensor("unet.encoder_hidden_states"))
        }
        let all = try maps(Set(unet.blocks))
        #expect(all.count == unet.blocks.count && unet.blocks.count == 2 * unet.config.blockOutChannels.count + 1)
        for block in unet.blocks {
            let name =
                switch block {
                case .down(let level): "down_blocks.\(level)"
                case .mid: "mid_block"
                case .up(let index): "up_blocks.\(index)"
                }
            let expected = try reference.tensor("unet.\(name)")
            let alone = try maps([block])
            #expect(alone.count == 1 && UNetBlock("\(block)") == block)
            let own = try #require(alone[block])
            #expect(own.size(1) == unet.channels(of: block))
            #expect(relativeError(own, expected) < Self.tolerance, "\(block)")
            #expect(own.scalars(Float.self) == all[block]?.scalars(Float.self), "\(block)")
        }
        for name in ["up", "down-1", "mid0", "up0.1", ""] { #expect(UNetBlock(name) == nil, "\(name)") }
    }

    @Test(arguments: DiffusionReference.kinds)
    func vaeEqualsDiffusers(kind: String) throws {
        let reference = try DiffusionReference(kind)
        let vae = try vae(reference)
        let posterior = try vae.posterior(reference.tensor("vae.image"))
        #expect(try relativeError(posterior.mean, reference.tensor("vae.mean")) < Self.tolerance)
        #expect(try relativeError(posterior.logVariance, reference.tensor("vae.logvar")) < Self.tolerance)
        let decoded = try vae.decodeUnscaled(reference.tensor("vae.latent"))
        #expect(try relativeError(decoded, reference.tensor("vae.decoded")) < Self.tolerance)

        let scaled = try reference.tensor("vae.latent") * vae.config.scalingFactor
        #expect(try relativeError(vae.decode(scaled), reference.tensor("vae.decoded")) < Self.tolerance)

        let odd = try vae.posterior(reference.tensor("vae.odd_image")).mean
        #expect(try relativeError(odd, reference.tensor("vae.odd_mean")) < Self.tolerance)
        #expect(
            try relativeError(vae.decodeUnscaled(odd), reference.tensor("vae.odd_decoded")) < Self.tolerance)
    }

    @Test(arguments: DiffusionReference.kinds, [MemoryFormat.contiguous, .channelsLast])
    func unetEqualsDiffusers(kind: String, format: MemoryFormat) throws {
        let reference = try DiffusionReference(kind)
        let unet = try unet(reference)
        if format == .channelsLast { unet.store.useChannelsLast() }
        let context = try reference.tensor("unet.encoder_hidden_states")
        let output = try unet(
            reference.tensor("unet.sample").contiguous(format), timesteps: reference.tensor("unet.timestep"),
            context: context)
        #expect(try relativeError(output, reference.tensor("unet.output")) < Self.tolerance)

        // Other sizes than the one it is made for; the second is not a multiple of what the levels halve.
        let timestep = Tensor([Int64(500)])
        let short = context[0..<1].narrowed(1, start: 0, length: 5)
        for name in ["unet.odd", "unet.rounded"] {
            let sample = try reference.tensor("\(name)_sample").contiguous(format)
            let output = unet(sample, timesteps: timestep, context: short)
            #expect(try relativeError(output, reference.tensor("\(name)_output")) < Self.tolerance)
        }
    }

    @Test(arguments: DiffusionReference.kinds)
    func unetGradientsEqualPyTorch(kind: String) throws {
        let reference = try DiffusionReference(kind)
        let unet = try unet(reference)
        unet.store.setRequiresGrad(true)
        let sample = try reference.tensor("unet.sample").cloned()
        let context = try reference.tensor("unet.encoder_hidden_states").cloned()
        sample.requiresGrad = true
        context.requiresGrad = true
        let output = try unet(sample, timesteps: reference.tensor("unet.timestep"), context: context)
        output.squared().mean().backward()
        for (gradient, name) in [(sample.grad, "sample"), (context.grad, "context")] {
            #expect(try relativeError(#require(gradient), reference.tensor("unet.\(name)_gradient")) < Self.tolerance)
        }
        let norms = unet.store.entries.map { $0.tensor.grad?.norm().item() ?? 0 }
        let total = norms.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let expected = try reference.tensor("unet.gradient_norm").item()
        #expect(abs(total - expected) < Self.tolerance * expected)
    }
}
