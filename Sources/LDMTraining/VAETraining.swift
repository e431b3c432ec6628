import Diffusion
import Foundation
import Foundations
import Torch

/// Trains the VAE of the embedded LDM and writes it as the `vae/` of a model folder.
public struct VAETraining {
    /// Sizes of the autoencoder; those of the embedded model by default.
    public var config: AutoencoderKLConfig
    /// The hyperparameters of the training.
    public var options = VAETrainingOptions()

    /// f = 4: images 64×64 become latents 4×16×16.
    public init() {
        config = AutoencoderKLConfig()
        config.blockOutChannels = [16, 32, 64]
        config.layersPerBlock = 1
        config.normGroups = 8
        config.sampleSize = 64
        config.scalingFactor = 1
    }

    private struct Settings: Encodable {
        let options: VAETrainingOptions
        let corpus: String
    }

    /// Trains, from the last checkpoint on if there is one, and writes the autoencoder.
    /// - Parameters:
    ///   - output: the model folder; the training's own files go to `work`.
    /// - Throws: also `UserError` when `work` holds a training with other settings, its length apart.
    public func run(
        corpus: LDMCorpus, work: String, output: String, device: Device, evaluateEvery: Int,
        shouldStop: () -> Bool, report: @escaping (String) -> Void
    ) throws {
        let vae = AutoencoderKL(ParameterStore(seed: options.seed, device: device), config)
        try TrainingSettings(Settings(options: options, corpus: corpus.digest)).check(work: work, ignoring: ["steps"])
        let trainer = VAETrainer(vae, images: corpus.training.images, options: options)
        let heldOut = corpus.heldOut
        var training = ModelTraining(folder: work, steps: options.steps)
        training.evaluateEvery = evaluateEvery
        training.report = report
        report("VAE: \(vae.store.parameterCount) parameters, \(corpus.training.entries.count) images")
        let isDone = try training.run(trainer, shouldStop: shouldStop) { _ in
            trainer.withAverage {
                let quality = ReconstructionQuality(vae, images: heldOut.images)
                return [("heldout_psnr", quality.psnr), ("heldout_colour_error", quality.opponentColourError)]
            }
        }
        if isDone {
            try trainer.withAverage { try finish(vae, corpus: corpus.training, output: output) }
        }
    }

    /// Normalises the latents and writes the model.
    private func finish(_ vae: AutoencoderKL, corpus: LDMCorpus, output: String) throws {
        let latents = encodeAll(vae, corpus.images)
        vae.normaliseLatents(
            mean: latents.mean([0, 2, 3]), deviation: latents.variance([0, 2, 3]).sqrt())
        let folder = "\(output)/vae"
        try AtomicFile.makeFolder(folder)
        try JSONFile.write(vae.config.json, to: "\(folder)/config.json")
        try vae.store.state.write(safetensors: "\(folder)/diffusion_pytorch_model.safetensors", dtype: .float16)
    }
}

/// Posterior means, scaled, of uint8 images [N, 3, H, W], in batches.
func encodeAll(_ vae: any LatentAutoencoder, _ images: Tensor) -> Tensor {
    inferenceMode {
        let batches = stride(from: 0, to: images.size(0), by: 64).map { start in
            let batch = images[start..<min(start + 64, images.size(0))]
            return vae.encode(
                (batch.to(device: vae.store.device, dtype: .float32) / 127.5 - 1).contiguous(.channelsLast))
        }
        return Tensor.concatenated(batches)
    }.cloned()
}

/// How well a VAE reconstructs images that it was not trained on.
public struct ReconstructionQuality {
    /// Mean over the images of the peak signal-to-noise ratio in decibels, for pixels in [0, 1].
    public let psnr: Double
    /// Mean absolute error of the opponent colours, in [0, 1]: low PSNR errors can hide a loss of colour.
    public let opponentColourError: Double

    /// Measures how well images come back from their latents.
    /// - Parameter images: uint8 [N, 3, H, W].
    public init(_ vae: any LatentAutoencoder, images: Tensor) {
        var decibels = 0.0
        var colour = 0.0
        inferenceMode {
            for start in stride(from: 0, to: images.size(0), by: 64) {
                let x = images[start..<min(start + 64, images.size(0))].to(dtype: .float32) / 255
                let input = (x * 2 - 1).to(device: vae.store.device).contiguous(.channelsLast)
                let y = ((vae.decode(vae.encode(input)) + 1) / 2).clamp(min: 0, max: 1).to(device: .cpu)
                decibels += peakSignalToNoiseRatio(x, y).sum().item()
                colour += (opponentColours(x) - opponentColours(y)).abs().mean([1, 2, 3]).sum().item()
            }
        }
        psnr = decibels / Double(images.size(0))
        opponentColourError = colour / Double(images.size(0))
    }
}
