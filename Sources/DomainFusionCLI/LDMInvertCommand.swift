import ArgumentParser
import Diffusion
import DomainGeneralization
import Foundations
import LDMTraining
import Pixels
import Torch

/// `domainfusion ldm invert`
struct LDMInvert: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invert",
        abstract: "Find the noise that a latent diffusion model would make an image of: DDIM inversion.",
        discussion: """
            Each image is walked to noise by DDIM, then back. FOLDER gets, for lion.jpg, lion.safetensors with the \
            noise ('noise') and the image's latents ('latents'), and lion.png, what came back. A line says how alike \
            that is to the image, and how alike what the autoencoder alone brings back.

            'ldm sample --latents lion.safetensors --scheduler ddim' goes back under any other prompt, with as many \
            --steps. An image of any size will do, as for 'ldm sample'.

            Examples:
              domainfusion ldm invert lion.png tiger.png -o inverted
              domainfusion ldm invert lion.png --prompt "an emoji of a lion" --steps 100 -o inverted
              domainfusion ldm sample --latents inverted/lion.safetensors --prompt "pixel art of a lion" \
            --scheduler ddim --steps 100 -o pixels.png
            """)

    @OptionGroup var options: InversionOptions

    @Option(
        help: """
            Weight of the prompt (classifier-free guidance), there and back; 1, the default, is none, which loses least.
            """)
    var guidance = 1.0

    func validate() throws {
        guard guidance >= 0, guidance.isFinite else {
            throw ValidationError("--guidance: \(guidance) is not 0 or more")
        }
    }

    func run() async throws {
        let settings = GenerationSettings(steps: options.steps, guidanceScale: guidance).withDDIM
        try options.run(prompts: [options.prompt], passes: 2 * options.steps) { ldm, batch, onStep in
            let prompts = batch.paths.map { _ in options.prompt }
            let latents = try ldm.latents(of: batch.images)
            let noise = try ldm.invert(
                latents: latents, prompts: prompts, steps: options.steps, guidanceScale: guidance, onStep: onStep)
            let back = try ldm.denoised(noise, prompts: prompts, settings: settings, onStep: onStep)
            try options.checkFinite(back)
            let (images, plain) = (try ldm.images(of: back), try ldm.images(of: latents))
            let quality = [images, plain].map {
                peakSignalToNoiseRatio($0, batch.images).scalars(Double.self).map { Progress.number($0) }
            }
            for (index, (path, image)) in zip(batch.paths, images.rgbImages()).enumerated() {
                var state = StateDict()
                state["noise"] = noise[index..<(index + 1)].to(device: .cpu, dtype: .float32)
                state["latents"] = latents[index..<(index + 1)].to(device: .cpu, dtype: .float32)
                try state.write(safetensors: options.result(of: path, ".safetensors"))
                let result = options.result(of: path, ".png")
                try PNG.write(image, to: result)
                print("\(result): PSNR \(quality[0][index]) dB, of the autoencoder alone \(quality[1][index]) dB")
            }
        }
    }
}
