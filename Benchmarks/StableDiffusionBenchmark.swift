import Diffusion
import Torch

/// One row of the comparison with diffusers and OpenVINO on a model of Stable Diffusion's size (see the script compare):
/// loading, a call of the U-Net, the VAE, or a whole image to image; two threads, float32 or, for the networks, bfloat16.
///
/// The peak of a row is all that is resident, the weights among it: each row runs in a process of its own.
enum StableDiffusionBenchmark {
    /// - Parameter arguments: the row, `load`, `load-and-call`, `unet.PIXELS.BATCH`, `vae-encode.PIXELS.BATCH`, `vae-decode.PIXELS.BATCH` or
    ///   `image-to-image.PIXELS.BATCH`, those of networks also with `.bfloat16`; and the model's folder.
    static func run(_ arguments: [String]) throws -> [Measurement] {
        guard arguments.count == 2 else { throw TorchError("usage: Benchmarks stable-diffusion ROW FOLDER") }
        Machine.threads = 2
        let parts = arguments[0].split(separator: ".")
        let sizes = parts.dropFirst().compactMap { Int($0) }
        let (pixels, batch) = (sizes.first ?? 512, sizes.last ?? 1)
        let precision = parts.last.flatMap { ModelPrecision(rawValue: String($0)) } ?? .float32
        return [
            try row(
                String(parts[0]), arguments[0], folder: arguments[1], pixels: pixels, batch: batch,
                dtype: precision.dtype(on: .cpu))
        ]
    }

    private static func row(
        _ part: String, _ name: String, folder: String, pixels: Int, batch: Int, dtype: DType
    ) throws -> Measurement {
        let generator = Generator(seed: 0)
        func random(_ channels: Int, _ side: Int) -> Tensor {
            Tensor.randn([batch, channels, side, side], generator: generator)
        }
        func measured(warmup: Int, repetitions: Int = 1, _ body: () throws -> Void) rethrows -> Measurement {
            var found = try measure(
                "stable-diffusion.\(name)", threads: 2, warmup: warmup, repetitions: repetitions, body)
            found.peakBytes = ResidentMemory.peak
            return found
        }
        let latents = random(4, pixels / 8)
        switch part {
        case "load": return try measured(warmup: 0) { _ = try LatentDiffusionModel(path: folder) }
        case "load-and-call":
            // A small image: what is read is all, what is computed little.
            return try measured(warmup: 0) {
                let model = try LatentDiffusionModel(path: folder)
                let context = model.embed(["a photo of a dog"])
                inferenceMode {
                    _ = model.unet(random(4, 8), timesteps: Tensor([Int64(481)]), context: context)
                }
            }
        case "unet":
            let unet = try UNet2DConditionModel(folder: "\(folder)/unet", dtype: dtype)
            let context = Tensor.randn([batch, 77, unet.config.crossAttentionWidth], generator: generator)
            let timesteps = Tensor([Int64](repeating: 481, count: batch))
            return measured(warmup: 2, repetitions: 3) {
                inferenceMode { _ = unet(latents, timesteps: timesteps, context: context) }
            }
        case "vae-encode", "vae-decode":
            let vae = try AutoencoderKL(folder: "\(folder)/vae", dtype: dtype)
            let images = random(3, pixels)
            return measured(warmup: 2) {
                inferenceMode { _ = part == "vae-encode" ? vae.posterior(images).mean : vae.decodeUnscaled(latents) }
            }
        case "image-to-image":
            let model = try LatentDiffusionModel(path: folder)
            // Strength 0.8 leaves 20 of 25 steps.
            let settings = GenerationSettings(steps: 25, guidanceScale: 7.5, strength: 0.8)
            let images = Tensor.rand([batch, 3, pixels, pixels], generator: generator)
            return try measured(warmup: 0) {
                _ = try model.imageToImage(
                    images, prompts: [String](repeating: "a photo of a dog", count: batch), settings: settings,
                    seeds: (0..<batch).map(UInt64.init))
            }
        default: throw TorchError("no row \(name)")
        }
    }
}
