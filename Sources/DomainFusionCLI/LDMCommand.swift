import ArgumentParser
import Diffusion
import DomainGeneralization
import EmojiDG
import Experiments
import LDMTraining
import Foundation
import Foundations
import Pixels
import Torch

struct LDMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ldm", abstract: "Download, train or fine-tune a latent diffusion model, or make images with one.",
        subcommands: [
            LDMDownload.self, LDMTrain.self, LDMFinetune.self, LDMMerge.self, LDMSample.self, LDMInvert.self,
            LDMEdit.self, LDMClassify.self, LDMEvaluate.self, LDMSheet.self, LDMPlot.self,
        ])
}

struct LDMTrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train the VAE, then the U-Net, of a small latent diffusion model.",
        subcommands: [LDMTrainVAE.self, LDMTrainUNet.self])
}

/// Options that both trainings share.
struct LDMTrainingOptions: ParsableArguments {
    @Option(help: "Folder of captioned images, as 'domainfusion data prepare emoji' makes it.")
    var corpus = "data/EmojiLDM"

    @Option(help: "Model folder, in diffusers layout, that the result is written to.")
    var output: String

    @Option(
        help: ArgumentHelp(
            "Folder of the training's log and checkpoint; by default runs/ldm-vae or runs/ldm-unet. The same command goes on "
                + "from there."))
    var work: String?

    @Option(help: "Side of the images in pixels.")
    var imageSize = 64

    @Option(
        help: ArgumentHelp(
            "Optimisation steps in all; by default \(VAETraining().options.steps) of the VAE, \(UNetTraining().options.steps) of "
                + "the U-Net."))
    var steps: Int?

    @Option(help: "Images in a batch; by default \(UNetTraining().options.batchSize).")
    var batchSize: Int?

    @Option(
        help: ArgumentHelp(
            "Peak learning rate; by default \(VAETraining().options.learningRate) of the VAE, "
                + "\(UNetTraining().options.learningRate) of the U-Net."))
    var learningRate: Double?

    @Option(help: "Steps between two evaluations, each with a checkpoint.")
    var evaluateEvery = 1000

    @Option(help: "Seed of the weights and of every draw.")
    var seed: UInt64 = 0

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    func validate() throws {
        try check("--steps", steps, in: 1...largestCount)
        try check("--evaluate-every", evaluateEvery, in: 1...largestCount)
        try check("--image-size", imageSize, in: 1...8192)
        try check("--batch-size", batchSize, in: 1...65_536)
        if let learningRate, learningRate <= 0 || !learningRate.isFinite {
            throw ValidationError("--learning-rate: \(learningRate) is not above 0")
        }
    }

    func prepare() throws -> (LDMCorpus, Device) {
        if let threads = threading.threads { Machine.threads = threads }
        try AtomicFile.makeFolder(output)
        return (try LDMCorpus(folder: corpus, size: imageSize), try placement.found())
    }

    /// Runs a training that saves its state in `work` when a signal asks it to end.
    func run(work: String, _ train: (_ shouldStop: () -> Bool) throws -> Void) throws {
        Interruption.watch()
        try withTorchErrors { try train { Interruption.current != nil } }
        if let interruption = Interruption.current {
            printError("\(interruption): state saved in \(work); the same command goes on from there")
            throw ExitCode(interruption.exitStatus)
        }
    }
}

struct LDMTrainVAE: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vae", abstract: "Train the autoencoder: 64×64 images to 16×16×4 latents.")

    @OptionGroup var options: LDMTrainingOptions

    func run() async throws {
        let (corpus, device) = try options.prepare()
        var training = VAETraining()
        training.options.steps = options.steps ?? training.options.steps
        training.options.batchSize = options.batchSize ?? training.options.batchSize
        training.options.learningRate = options.learningRate ?? training.options.learningRate
        training.options.seed = options.seed
        let work = options.work ?? "runs/ldm-vae"
        try options.run(work: work) { shouldStop in
            try training.run(
                corpus: corpus, work: work, output: options.output, device: device,
                evaluateEvery: options.evaluateEvery, shouldStop: shouldStop, report: Terminal.printLine)
        }
    }
}

struct LDMTrainUNet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unet", abstract: "Train the U-Net and the text encoder on the latents of the model's VAE.")

    @OptionGroup var options: LDMTrainingOptions

    @Option(help: "CLIP's vocabulary, a file of merges.")
    var vocabulary = InstalledFiles.vocabulary

    @Flag(help: "Begin with the weights that the model folder holds.")
    var warmStart = false

    func run() async throws {
        let (corpus, device) = try options.prepare()
        var training = UNetTraining()
        training.warmStart = warmStart
        training.options.steps = options.steps ?? training.options.steps
        training.options.batchSize = options.batchSize ?? training.options.batchSize
        training.options.learningRate = options.learningRate ?? training.options.learningRate
        training.options.seed = options.seed
        let work = options.work ?? "runs/ldm-unet"
        try options.run(work: work) { shouldStop in
            try training.run(
                corpus: corpus, vocabulary: InstalledFiles.here.locate(vocabulary), work: work, output: options.output,
                device: device,
                evaluateEvery: options.evaluateEvery, shouldStop: shouldStop, report: Terminal.printLine)
        }
    }
}

struct LDMEvaluate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Judge a model: reconstruction, generated classes and styles, the model as a classifier.")

    @OptionGroup var model: LDMOption

    @Option(help: "The images that it was trained on; one item in twenty was held out.")
    var corpus = "data/EmojiLDM"

    @Option(help: "Weights of the judges' backbone, EfficientNet-Lite0; those installed by default.")
    var weights: String?

    @Option(help: "Images generated of each class in each style.")
    var images = 6

    @Option(help: "Classifier-free guidance of the generated images; 1 is none.")
    var guidance = LDMEvaluation.Options().settings.guidanceScale

    @Option(help: "The result, a JSON file.")
    var output = "evaluation.json"

    func validate() throws {
        try check("--images", images, in: 1...10_000)
        guard guidance >= 0, guidance.isFinite else {
            throw ValidationError("--guidance: \(guidance) is not 0 or more")
        }
    }

    func run() async throws {
        try OutputFile.check(output)
        // What is wrong with the images is told before the model comes.
        _ = try EmojiRecord.read(from: corpus)
        let judge = try weights ?? CorpusJudgeWeights.installed()
        let ldm = try model.load()
        var options = LDMEvaluation.Options()
        options.imagesPerCell = images
        options.settings.guidanceScale = guidance
        let result = try withTorchErrors {
            try LDMEvaluation(
                model: ldm, corpus: LDMCorpus(folder: corpus, size: ldm.imageSize), weights: judge, options: options,
                report: Terminal.printLine)
        }
        try AtomicFile.write(JSONValue(encoding: result).text + "\n", to: output)
        print("\(output): written")
    }
}

struct LDMSheet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sheet", abstract: "A picture of what the model draws: subjects in rows, styles in columns.")

    @OptionGroup var model: LDMOption

    @Option(help: "Classifier-free guidance; 1 is none.")
    var guidance = SampleSheet.defaultSettings.guidanceScale

    @Option(help: "Denoising steps.")
    var steps = SampleSheet.defaultSettings.steps

    @Option(help: "The picture, a PNG file.")
    var output = "samples.png"

    func validate() throws {
        try check("--steps", steps, in: 1...GenerationSettings.largestSteps)
        guard guidance >= 0, guidance.isFinite else {
            throw ValidationError("--guidance: \(guidance) is not 0 or more")
        }
    }

    func run() async throws {
        try OutputFile.check(output, ending: ".png")
        var sheet = SampleSheet(model: try model.load())
        sheet.settings.guidanceScale = guidance
        sheet.settings.steps = steps
        try PNG.write(sheet.image(), to: output)
        print("\(output): written")
    }
}

struct LDMPlot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plot", abstract: "Draw the losses of a training from its log.")

    @Argument(help: "The log.jsonl in the training's --work folder.")
    var log: String

    @Option(help: "Title of the picture.")
    var title = "Training"

    @Option(help: "The picture, a PNG file.")
    var output = "loss.png"

    func run() async throws {
        try TrainingLog(path: log).chart(title: title).write(to: output)
        print("\(output): written")
    }
}
