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
        discussion: """
            The images are the emoji corpus, or the source domains of a data set: then the domain that runs will hold out is \
            left out, too. The U-Net is trained on the latents of the autoencoder in OUTPUT/vae: one of 'ldm train vae', or \
            another that was put there, such as TAESD.

            Examples:
              domainfusion ldm train vae --output models/own
              domainfusion ldm train unet --output models/own
              cp -r taesd models/pacs-sketch/vae
              domainfusion ldm train unet --corpus data/PACS --test-domain sketch --style art_painting="art painting" \
                --image-size 128 --output models/pacs-sketch
            """,
        subcommands: [LDMTrainVAE.self, LDMTrainUNet.self])
}

/// Options for the images that a small model learns from, or is judged by.
struct LDMCorpusOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The images: what 'domainfusion data prepare emoji --ldm-corpus' makes, or a data set <domain>/<class>/<image>, whose "
                + "captions are \"a {style} of a {class}\"."), completion: .directory)
    var corpus = "data/EmojiLDM"

    @Option(
        name: .customLong("test-domain"), parsing: .singleValue,
        help: ArgumentHelp(
            "A domain that no image is taken of, since runs will hold it out; may be repeated. Of a data set the other domains' "
                + "validation parts (of trial 0) are not learned from, either.", valueName: "domain"),
        completion: .domains)
    var testDomains: [String] = []

    @Option(
        name: .customLong("style"), parsing: .singleValue,
        help: ArgumentHelp(
            "Words for the style of a data set's domain, its name by default; may be repeated.",
            valueName: "domain=words"))
    var styles: [String] = []

    func load(size: Int) throws -> LDMCorpus {
        if Files.exists("\(corpus)/manifest.jsonl") || !Files.isFolder(corpus) {
            guard styles.isEmpty else {
                throw ValidationError("--style: the images in \(corpus) have words for their styles; leave it out")
            }
            return try LDMCorpus(folder: corpus, size: size, without: testDomains)
        }
        return try LDMCorpus(
            dataset: ImageFolder(corpus), size: size, without: testDomains,
            styles: DomainValues.parse("--style", styles))
    }
}

/// Options that both trainings share.
struct LDMTrainingOptions: ParsableArguments {
    @OptionGroup var images: LDMCorpusOptions

    @Option(help: "Model folder, in diffusers layout, that the result is written to.", completion: .directory)
    var output: String

    @Option(
        help: ArgumentHelp(
            "Folder of the training's log and checkpoint; by default runs/ldm-vae or runs/ldm-unet. The same command goes on "
                + "from there."), completion: .directory)
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
        return (try images.load(size: imageSize), try placement.found())
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
        commandName: "vae",
        abstract: "Train the autoencoder: images to latents of four channels and a quarter of their side.")

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

    @OptionGroup var images: LDMCorpusOptions

    @Option(
        help: "Weights of the judges' backbone, EfficientNet-Lite0; those installed by default.",
        completion: .weights)
    var weights: String?

    @Option(name: .customLong("images"), help: "Images generated of each class in each style.")
    var imagesPerCell = 6

    @Option(help: "Classifier-free guidance of the generated images; 1 is none.")
    var guidance = LDMEvaluation.Options().settings.guidanceScale

    @Option(help: "The result, a JSON file.", completion: .file(extensions: ["json"]))
    var output = "evaluation.json"

    func validate() throws {
        try check("--images", imagesPerCell, in: 1...10_000)
        guard guidance >= 0, guidance.isFinite else {
            throw ValidationError("--guidance: \(guidance) is not 0 or more")
        }
    }

    func run() async throws {
        try OutputFile.check(output)
        let judge = try weights ?? CorpusJudgeWeights.installed()
        let ldm = try model.load()
        var options = LDMEvaluation.Options()
        options.imagesPerCell = imagesPerCell
        options.settings.guidanceScale = guidance
        let result = try withTorchErrors {
            try LDMEvaluation(
                model: ldm, corpus: images.load(size: ldm.imageSize), weights: judge, options: options,
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

    @Option(
        name: .customLong("subject"), parsing: .singleValue,
        help: "What a row shows; may be repeated. By default things that the embedded model knows.")
    var subjects: [String] = []

    @Option(
        name: .customLong("style"), parsing: .singleValue,
        help: "The style of a column; may be repeated. By default the embedded model's.")
    var styles: [String] = []

    @Option(help: "What is asked for: {style} or {a style}, and {class} or {a class} for a row's subject.")
    var prompt = SampleSheet.defaultPrompt

    @Option(help: "Classifier-free guidance; 1 is none.")
    var guidance = SampleSheet.defaultSettings.guidanceScale

    @Option(help: "Denoising steps.")
    var steps = SampleSheet.defaultSettings.steps

    @Option(help: "The picture, a PNG file.", completion: .file(extensions: ["png"]))
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
        sheet.prompt = prompt
        if !subjects.isEmpty { sheet.subjects = subjects }
        if !styles.isEmpty { sheet.styles = styles }
        try PNG.write(sheet.image(), to: output)
        print("\(output): written")
    }
}

struct LDMPlot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plot", abstract: "Draw the losses of a training from its log.")

    @Argument(help: "The log.jsonl in the training's --work folder.", completion: .file(extensions: ["jsonl"]))
    var log: String

    @Option(help: "Title of the picture.")
    var title = "Training"

    @Option(help: "The picture, a PNG file.", completion: .file(extensions: ["png"]))
    var output = "loss.png"

    func run() async throws {
        try TrainingLog(path: log).chart(title: title).write(to: output)
        print("\(output): written")
    }
}
