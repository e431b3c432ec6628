import ArgumentParser
import Diffusion
import DomainGeneralization
import Experiments
import LDMTraining
import Foundation
import Foundations
import Torch

/// `domainfusion ldm finetune`
struct LDMFinetune: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "finetune",
        abstract: "Teach a latent diffusion model your images: by small adapters (LoRA), or all of its U-Net.",
        discussion: """
            The images are a folder in one of three forms:

              DIR/metadata.jsonl           a line {"file_name": "1.jpg", "text": "a red fox"} for each image;
                                           or metadata.csv with these two columns
              DIR/1.jpg DIR/1.txt          a caption beside each image
              DIR/<domain>/<class>/<image> a data set; captions are made of --prompt. Leave the held-out domain out with
                                           --domains, or the model will have seen it

            With --lora-rank, low-rank adapters of the attention layers are trained beside the frozen model: little \
            memory, and a file of a few megabytes, OUTPUT/pytorch_lora_weights.safetensors, that 'ldm sample --lora' \
            and diffusers' load_lora_weights read. Without, the U-Net itself is trained in float32, and OUTPUT becomes \
            a whole model folder for --ldm and for diffusers. A good learning rate is 1e-4 for adapters and 1e-5 for \
            the whole U-Net.

            Out of memory? --gradient-checkpointing takes less for a third more time; --precision bfloat16 halves what \
            is left on processors that can; a smaller --batch-size with a larger --accumulation gives the same step.

            Stopped by Ctrl-C or SIGTERM, it saves its state into OUTPUT/training; the same command goes on to the \
            same numbers as if it had not been stopped.

            Examples:
              domainfusion ldm finetune --ldm stable-diffusion-v1-5 --data foxes --lora-rank 8 --output fox-lora
              domainfusion ldm sample --ldm stable-diffusion-v1-5 --lora fox-lora --prompt "a fox at sea" -o fox.png
              domainfusion ldm finetune --ldm stable-diffusion-v1-5 --data PACS \\
                --domains photo,art_painting,cartoon --prompt "{a domain} of {a class}" --learning-rate 1e-5 \\
                --steps 5000 --ema-decay 0.9999 --gradient-checkpointing --output sd-pacs
              domainfusion ldm finetune --ldm CompVis/stable-diffusion-v1-4 --data PACS --domain photo --prompt "" \\
                --learning-rate 1e-4 --ema-decay 0.9999 --output ldm/photo      (for eval --shift-inversion)
            """)

    @Option(help: ArgumentHelp("The model to begin with: \(LDMOption.forms)."), completion: .file())
    var ldm: String

    @Option(help: "The folder of images with captions, or a data set.", completion: .directory)
    var data: String

    @Option(help: "The folder to write to; the same command goes on from what it holds.", completion: .directory)
    var output: String

    @Option(help: "Rank r of low-rank adapters; without it, the U-Net's own weights are trained.")
    var loraRank: Int?

    @Option(
        help:
            "The adapters' output is multiplied by alpha/rank; the rank by default. Old programs take it for the rank.")
    var loraAlpha: Double?

    @Flag(help: "Train the text encoder, too.")
    var trainTextEncoder = false

    @Option(help: "Captions of a data set, with {domain}, {a domain}, {class}, {a class}; empty captions for \"\".")
    var prompt: String?

    @Option(
        name: [.customLong("domains"), .customLong("domain")], parsing: .singleValue,
        help: ArgumentHelp(
            "Domains of a data set to take images of, with commas or by repeating the option; all by default.",
            valueName: "domains"), completion: .domains)
    var domains: [String] = []

    @Option(help: "Updates of the weights.")
    var steps = FineTuningOptions().steps

    @Option(help: "Images of one forward and backward pass.")
    var batchSize = FineTuningOptions().batchSize

    @Option(help: "Passes whose gradients make one update.")
    var accumulation = FineTuningOptions().accumulation

    @Option(help: "AdamW's learning rate; by default 1e-4 with --lora-rank and 1e-5 without.")
    var learningRate: Double?

    @Option(help: "How the learning rate goes on after the warm-up: constant, linear or cosine (both down to 0).")
    var schedule = FineTuningOptions().schedule

    @Option(help: "Updates over which the learning rate rises from 0.")
    var warmup = FineTuningOptions().warmup

    @Option(help: "AdamW's weight decay.")
    var weightDecay = FineTuningOptions().weightDecay

    @Option(help: "Limit of the gradient's norm.")
    var maxGradientNorm = FineTuningOptions().maximumNorm

    @Option(
        help: "Weights of the noise levels by their signal-to-noise ratio, cut off here (min-SNR); 5 is usual, 0 none.")
    var snrGamma = FineTuningOptions().minSNR

    @Option(help: "Share of captions that are left empty, which classifier-free guidance needs.")
    var captionDropout = FineTuningOptions().emptyCaptions

    @Option(help: "Decay of a moving average of the weights, which then is the result; 0.9999 is usual, 0 none.")
    var emaDecay = FineTuningOptions().averageDecay

    @Option(help: "Side of the images in pixels; by default the one that the model was trained on.")
    var resolution: Int?

    @Option(help: "How an image that is no square becomes one: center or random.")
    var crop = CaptionedImageLoader.Crop.center

    @Flag(help: "Swap half of the images left and right.")
    var flip = false

    @Option(help: "float32, or bfloat16 for what is computed; weights that are trained stay in float32.")
    var precision = ModelPrecision.float32

    @Flag(
        help: "Compute layers again for the gradient rather than keep what they gave: less memory, a third more time.")
    var gradientCheckpointing = false

    @Option(help: "Updates between two checkpoints.")
    var saveEvery = FineTuning().saveEvery

    @Option(help: "Updates between two lines of the log.")
    var logEvery = FineTuning().logEvery

    @Option(help: "Without --lora-rank: float32, float16 or bfloat16 for the trained weights that are written.")
    var outputDtype = ModelPrecision.float32

    @Option(help: "Seed of the adapters and of every draw.")
    var seed: UInt64 = 0

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    func validate() throws {
        try check("--lora-rank", loraRank, in: 1...4096)
        if loraRank == nil, loraAlpha != nil { throw ValidationError("--lora-alpha goes with --lora-rank") }
        try check("--save-every", saveEvery, in: 1...largestCount)
        try check("--log-every", logEvery, in: 1...largestCount)
        do {
            try options.validate()
        } catch {
            throw ValidationError("\(error)")
        }
    }

    private var options: FineTuningOptions {
        var options = FineTuningOptions()
        options.steps = steps
        options.batchSize = batchSize
        options.accumulation = accumulation
        options.learningRate = learningRate ?? (loraRank == nil ? 1e-5 : 1e-4)
        options.schedule = schedule
        options.warmup = warmup
        options.weightDecay = weightDecay
        options.maximumNorm = maxGradientNorm
        options.minSNR = snrGamma
        options.emptyCaptions = captionDropout
        options.averageDecay = emaDecay
        options.loraRank = loraRank ?? 0
        options.loraAlpha = loraAlpha ?? Double(loraRank ?? 0)
        options.trainsTextEncoder = trainTextEncoder
        options.precision = precision
        options.recomputesLayers = gradientCheckpointing
        options.seed = seed
        return options
    }

    func run() async throws {
        Machine.threads = threading.count
        let folder = KnownDataset.locate(data)
        let images = try CaptionedImages(
            folder: folder, template: prompt,
            domains: domains.isEmpty ? nil : DomainNames.list(domains, folder: folder))
        var tuning = FineTuning()
        tuning.options = options
        tuning.resolution = resolution
        tuning.crop = crop
        tuning.flips = flip
        tuning.saveEvery = saveEvery
        tuning.logEvery = logEvery
        tuning.outputType = outputDtype
        tuning.threads = threading.count
        Interruption.watch()
        try ModelDownload.fetchIfMissing(ldm, precision: loraRank == nil ? .float32 : precision)
        let progress = Progress("reading images", unit: "images")
        do {
            let result = try tuning.run(
                model: ldm, images: images, output: output, device: placement.found()
            ) { done, total in
                progress.show(done, of: total)
            } report: { line in
                progress.clear()
                Terminal.printLine(line)
            }
            print("\(result): written")
        } catch let interruption as Interruption {
            printError("\(interruption): state saved in \(output); the same command goes on from there")
            throw ExitCode(interruption.exitStatus)
        }
    }
}

extension LearningRateSchedule.Shape: ExpressibleByArgument {}
extension CaptionedImageLoader.Crop: ExpressibleByArgument {}
