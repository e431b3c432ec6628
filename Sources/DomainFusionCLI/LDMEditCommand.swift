import ArgumentParser
import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// `domainfusion ldm edit`
struct LDMEdit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "edit",
        abstract: "Change images by a prompt and keep their layout: DDIM inversion, then denoising.",
        discussion: """
            Each image is walked towards noise by DDIM under --prompt, without guidance, then back under --to. No noise \
            is drawn: the same command gives the same images. FOLDER gets a PNG of each image's name. An image of any \
            size will do, as for 'ldm sample'.

            Examples:
              domainfusion ldm edit lion.png tiger.png --to "pixel art" -o pixels
              domainfusion ldm edit lion.png --prompt "an emoji of a lion" --to "an emoji of a tiger" --strength 0.8 -o tiger
            """)

    @OptionGroup var options: InversionOptions

    @Option(help: "What the results show.")
    var to: String

    @Option(help: "What guidance leads away from.")
    var negativePrompt = ""

    @Option(help: "How far each image is walked towards noise, above 0 and up to 1: of STEPS, STEPS × STRENGTH.")
    var strength = GenerationSettings().strength

    @Option(help: "Weight of --to on the way back (classifier-free guidance); 1 is none.")
    var guidance = GenerationSettings().guidanceScale

    func validate() throws {
        guard guidance >= 0, guidance.isFinite else {
            throw ValidationError("--guidance: \(guidance) is not 0 or more")
        }
        do {
            _ = try settings.imageToImageSteps()
        } catch {
            throw ValidationError("--strength: \(error)")
        }
    }

    private var settings: GenerationSettings {
        GenerationSettings(
            steps: options.steps, guidanceScale: guidance, strength: strength, negativePrompt: negativePrompt)
    }

    func run() async throws {
        let began = Date()
        let count = try settings.imageToImageSteps()
        try options.run(
            prompts: [options.prompt, to] + (guidance > 1 ? [negativePrompt] : []), passes: 2 * count
        ) { ldm, batch, onStep in
            let images = try ldm.editAfterInversion(
                batch.images, from: batch.paths.map { _ in options.prompt }, to: batch.paths.map { _ in to },
                settings: settings, onStep: onStep)
            try options.checkFinite(images)
            for (path, image) in zip(batch.paths, images.rgbImages()) {
                try PNG.write(image, to: options.result(of: path, ".png"))
            }
        }
        let images = options.images.count == 1 ? "1 image" : "\(options.images.count) images"
        print("\(options.output): \(images) in \(Progress.number(Date().timeIntervalSince(began))) s")
    }
}
