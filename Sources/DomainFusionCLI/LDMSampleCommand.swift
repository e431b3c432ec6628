import ArgumentParser
import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// `domainfusion ldm sample`
struct LDMSample: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Make images with a latent diffusion model: from a prompt, or from an image and a prompt.",
        discussion: """
            The model is a folder in diffusers layout (the embedded one, or Stable Diffusion 1.x or 2.x), or one file of \
            Stable Diffusion 1.x or 2.x with its original keys, .safetensors or .ckpt. Such a file has the settings of \
            Stable Diffusion 1.5 or 2.1, as in diffusers' from_single_file; others are read from a folder beside it, \
            model/ for model.safetensors, that is laid out as a model's without the weights. Its tokenizer is that of \
            this folder, or made of data/packages/bpe_simple_vocab_16e6.txt ("domainfusion info" says where that is).

            The numbers are those of diffusers: seed K gives the noise of torch.Generator().manual_seed(K), image i of --count the seed \
            K + i. With several prompts each has its --count images in a row, of the same seeds.

            With --image the result is a variant of that image. An image of any size will do: its largest square in the \
            middle is resized to the size that the model was trained on.

            Examples:
              domainfusion ldm sample --prompt "an emoji of a lion" --count 4 -o lions.png
              domainfusion ldm sample --prompt "a lion" --prompt "a cat" --scheduler euler --steps 30 -o two.png
              domainfusion ldm sample --prompt "pixel art" --image lion.png -o pixels.png
            """)

    @OptionGroup var model: LDMOption

    @OptionGroup var lora: LoRAOptions

    @Option(help: "What the image shows; may be given several times.")
    var prompt: [String]

    @Option(help: "What guidance leads away from.")
    var negativePrompt = ""

    @Option(help: "An image to vary: JPEG, PNG, WebP or BMP.", completion: .images)
    var image: String?

    @Option(
        help: ArgumentHelp(
            "How much of --image is made anew, above 0 and up to 1, by default \(GenerationSettings().strength): of STEPS, STEPS × "
                + "STRENGTH are walked."))
    var strength: Double?

    @Option(
        help: """
            A .safetensors file with the noise [IMAGES, channels, height, width] to use in place of the seed's: its \
            tensor 'noise', or the only one in it. With --image it is what is added to the image's latents. A scheduler \
            that draws noise in its steps takes that from the seed.
            """, completion: .file())
    var latents: String?

    @Option(
        help: "Write the noise and the finished latents to this .safetensors file ('noise', 'latents').",
        completion: .file())
    var saveLatents: String?

    @Option(help: "Denoising steps.")
    var steps = 20

    @Option(help: "Weight of the prompt (classifier-free guidance); 1 is none, at half the cost.")
    var guidance = 7.5

    @Option(
        help: """
            How far guided predictions are brought back to the spread of unguided ones, 0 to 1: against glaring images \
            of strong guidance; 0.7 is usual for models with zero terminal SNR.
            """)
    var guidanceRescale = 0.0

    @Option(
        help: "The sampler: \(SchedulerChoice.names); by default the one that the model's files name.",
        completion: .list(SchedulerChoice.allCases.map(\.rawValue)))
    var scheduler: String?

    @Option(help: "With DDIM, how much of the noise is drawn anew in each step: 0 none, 1 as much as DDPM.")
    var eta = 0.0

    @Option(help: "Seed of the noise.")
    var seed: UInt64 = 0

    @Option(help: "How many images of each prompt; more than one are put side by side in rows.")
    var count = 1

    @Option(
        help: """
            Every so many steps, write what the image looks like so far to the output's name with .preview.png in place \
            of .png.
            """)
    var previewEvery: Int?

    @Option(name: .shortAndLong, help: "The PNG file to write.", completion: .file(extensions: ["png"]))
    var output: String

    @OptionGroup var placement: DeviceOption

    func validate() throws {
        guard (1...1024).contains(count), prompt.count <= 1024, count * prompt.count <= 1024 else {
            throw ValidationError("--count: \(count) is not in 1...1024, or there are more than 1024 images in all")
        }
        try check("--preview-every", previewEvery, in: 1...largestCount)
        guard (0...1).contains(guidanceRescale) else {
            throw ValidationError("--guidance-rescale: \(guidanceRescale) is not in 0...1")
        }
        if let scheduler, SchedulerChoice(name: scheduler) == nil {
            throw ValidationError("--scheduler: '\(scheduler)' is none of \(SchedulerChoice.names)")
        }
        guard (0...1).contains(eta) else { throw ValidationError("--eta: \(eta) is not in 0...1") }
        try check("--steps", steps, in: 1...GenerationSettings.largestSteps)
        guard guidance >= 0, guidance.isFinite else {
            throw ValidationError("--guidance: \(guidance) is not 0 or more")
        }
        guard image != nil || strength == nil else { throw ValidationError("--strength goes with --image") }
        if image != nil {
            do {
                _ = try settings.imageToImageSteps()
            } catch {
                throw ValidationError("--strength: \(error)")
            }
        }
    }

    private var settings: GenerationSettings {
        GenerationSettings(
            steps: steps, guidanceScale: guidance, strength: strength ?? GenerationSettings().strength,
            negativePrompt: negativePrompt,
            guidanceRescale: guidanceRescale,
            scheduler: scheduler.flatMap(SchedulerChoice.init(name:))?.className, eta: eta)
    }

    func run() async throws {
        try OutputFile.check(output, ending: ".png")
        if let saveLatents { try OutputFile.check(saveLatents) }
        // Files are read before the model: a mistake in them is told at once.
        let source = try image.map(ImageFile.decode)
        let given = try latents.map(Self.readNoise)
        let adapters = try lora.read()
        let ldm = try model.load(device: placement.found())
        for (file, scale) in adapters { try ldm.merge(file, scale: scale) }
        ldm.warnOfCutOffs(prompt + (ldm.isGuided(settings) ? [negativePrompt] : []))
        let prompts = prompt.flatMap { [String](repeating: $0, count: count) }
        let seeds = prompts.indices.map { seed &+ UInt64($0 % count) }
        let generators = seeds.map { Generator(seed: $0) }
        let began = Date()

        let noise: Tensor
        let start: Tensor
        var walked: Int?
        if let source {
            let size = ldm.imageSize
            let images = source.square(size).tensor().expanded([prompts.count, -1, -1, -1])
            (start, noise) = try ldm.noised(images, settings: settings, generators: generators, noise: given)
            walked = try ldm.imageToImageSteps(settings)
        } else {
            noise = try given ?? ldm.startNoise(generators)
            start = try ldm.startLatents(noise, settings: settings)
        }
        let progress = Progress("denoising", unit: "steps")
        let result = try ldm.denoised(
            start, prompts: prompts, settings: settings, lastSteps: walked, generators: generators
        ) { step in
            progress.show(step.index + 1, of: step.count)
            if let previewEvery, (step.index + 1) % previewEvery == 0, step.index + 1 < step.count {
                try PNG.write(grid(ldm.images(of: step.predictedOriginal).rgbImages()), to: previewPath)
            }
        }
        progress.clear()
        guard result.isFinite().all().item() != 0 else {
            throw UserError("the latents are not finite; take less --guidance, a higher precision, or other --latents")
        }
        let images = try ldm.images(of: result).rgbImages()
        if let saveLatents {
            var state = StateDict()
            state["noise"] = noise.to(dtype: .float32)
            state["latents"] = result.to(dtype: .float32)
            try state.write(safetensors: saveLatents)
        }
        try PNG.write(grid(images), to: output)
        let size = "\(images[0].width)×\(images[0].height)"
        print(
            "\(output): \(images.count == 1 ? "1 image" : "\(images.count) images") of \(size) in "
                + "\(Progress.number(Date().timeIntervalSince(began))) s")
    }

    /// - Throws: `FileFormatError` or `UserError` naming the file.
    private static func readNoise(_ path: String) throws -> Tensor {
        let state = try StateDict(contentsOf: path)
        guard let tensor = state["noise"] ?? (state.names.count == 1 ? state[state.names[0]] : nil) else {
            throw UserError("\(path): \(state.names.count) tensors and none called 'noise'; name the one to use that")
        }
        guard !tensor.dtype.isFloatingPoint || tensor.isFinite().all().item() != 0 else {
            throw UserError("\(path): the noise in it holds infinite values or NaN; write it again (--save-latents)")
        }
        return tensor
    }

    private var previewPath: String { String(output.dropLast(4)) + ".preview.png" }

    /// Images of one size two pixels apart: a row for each prompt, or about as many rows as columns for a single one.
    private func grid(_ images: [RGBImage]) -> RGBImage {
        guard images.count > 1 else { return images[0] }
        let columns = prompt.count > 1 ? count : Int(Double(images.count).squareRoot().rounded(.up))
        let rows = (images.count + columns - 1) / columns
        let (width, height) = (images[0].width + 2, images[0].height + 2)
        var sheet = RGBImage(width: columns * width - 2, height: rows * height - 2)
        for (index, image) in images.enumerated() {
            sheet.paste(image, x: index % columns * width, y: index / columns * height)
        }
        return sheet
    }
}
