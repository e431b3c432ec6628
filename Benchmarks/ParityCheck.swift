import Diffusion
import Foundation
import Torch

/// Computes what `Benchmarks/parity` recorded of diffusers and transformers, from the same files.
enum ParityCheck {
    struct Row: Codable {
        let component: String
        /// Largest difference as a part of the reference's largest value.
        let error: Double
    }

    /// - Parameter folder: a model in diffusers layout with `reference.safetensors` beside its parts.
    static func run(folder: String) throws -> [Row] {
        Machine.threads = 1
        let reference = Reference(
            state: try StateDict(safetensors: "\(folder)/reference.safetensors"), folder: folder)
        var rows: [Row] = []
        // One part in memory at a time.
        let text = try CLIPTextModel(folder: "\(folder)/text_encoder")
        rows.append(try reference.row("text encoder", "text.states") { try text(reference.tensor("text.ids")) })
        let vae = try AutoencoderKL(folder: "\(folder)/vae")
        for size in [256, 512] {
            let posterior = try inferenceMode {
                try vae.posterior(reference.tensor("vae.\(size).image").contiguous(.channelsLast))
            }
            rows.append(try reference.row("VAE encode \(size)² mean", "vae.\(size).mean") { posterior.mean })
            rows.append(
                try reference.row("VAE encode \(size)² log-variance", "vae.\(size).logvar") { posterior.logVariance })
            rows.append(
                try reference.row("VAE decode \(size)²", "vae.\(size).decoded") {
                    try vae.decodeUnscaled(reference.tensor("vae.\(size).latent").contiguous(.channelsLast))
                })
        }
        rows += try unet(reference)
        rows += try imageToImage(reference)
        return rows
    }

    private static func unet(_ reference: Reference) throws -> [Row] {
        let unet = try UNet2DConditionModel(folder: "\(reference.folder)/unet")
        return try [256, 512].map { size in
            try reference.row("U-Net \(size)²", "unet.\(size).output") {
                try unet(
                    reference.tensor("unet.\(size).sample").contiguous(.channelsLast),
                    timesteps: reference.tensor("unet.\(size).timestep"),
                    context: reference.tensor("unet.\(size).context"))
            }
        }
    }

    private static func imageToImage(_ reference: Reference) throws -> [Row] {
        let model = try LatentDiffusionModel(path: reference.folder)
        let settings = GenerationSettings(steps: 5, guidanceScale: 5, strength: 0.6, negativePrompt: "the cartoon")
        let (start, _) = try model.noised(
            reference.tensor("img2img.source"), settings: settings, generators: [Generator(seed: 0)])
        let latents = try model.denoised(
            start, prompts: ["a photo of a dog"], settings: settings, lastSteps: settings.imageToImageSteps())
        return [
            try reference.row("image to image, 3 steps: latents", "img2img.latents") { latents },
            try reference.row("image to image, 3 steps: image", "img2img.image") { try model.images(of: latents) },
        ]
    }

    private struct Reference {
        let state: StateDict
        let folder: String

        func tensor(_ name: String) throws -> Tensor {
            guard let found = state[name] else { throw ModelError(path: folder, "the reference has no \(name)") }
            return found
        }

        func row(_ component: String, _ name: String, _ compute: () throws -> Tensor) throws -> Row {
            let actual = try inferenceMode(compute).to(dtype: .float64)
            let expected = try tensor(name).to(dtype: .float64)
            guard actual.shape == expected.shape else { return Row(component: component, error: .infinity) }
            let error = (actual - expected).abs().max().item() / expected.abs().max().item()
            return Row(component: component, error: error.isFinite ? error : .greatestFiniteMagnitude)
        }
    }
}
