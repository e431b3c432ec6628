import ArgumentParser
import DomainFusion
import DomainGeneralization
import EmojiDG
import Experiments
import Foundation
import Foundations
import Hub
import Torch

struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract:
            "Generate images of a whole data set before training: every image in the style of every domain (CDGA).",
        discussion: """
            Every image of the data set is given the style of every domain, by image to image (cross-domain generative \
            augmentation, arXiv 2312.05387). 'domainfusion train --generated DIR' trains on them, each in the domain of its \
            source image, but for those that were made of its held-out domain, or in its style.

            The same command goes on after any interruption. Several of it on one folder, on one machine or many, share the \
            work. The store keeps what was made for augmentation during training, too.

            Examples:
              domainfusion generate --data data/EmojiDG --output generated/emoji
              domainfusion generate --data data/PACS --ldm SD --output generated/pacs
              domainfusion generate --data data/Birds --ldm SD --style photo="a photograph" --style print=woodcut \
                --prompt "{style} of {a class}" --output generated/birds
            """)

    @Option(help: "The data set's folder, or the name of one under data/.")
    var data: String

    @Option(name: .shortAndLong, help: "The folder of the generated images.")
    var output: String

    @OptionGroup var model: LDMOption

    @Option(
        name: .customLong("style"), parsing: .singleValue,
        help: ArgumentHelp(
            "Words for the style of a domain; may be repeated. By default the paper's for PACS, OfficeHome and DomainNet, and the "
                + "vendors' for EmojiDG.", valueName: "domain=words"))
    var styles: [String] = []

    @Option(
        help: ArgumentHelp(
            "What an image is asked for: {class} or {a class}, and {style} or {a style}. By default "
                + "\"\(CrossDomainSettings().prompt)\", or of the embedded model \"\(GenerateCommand.embeddedPrompt)\"."
        ))
    var prompt: String?

    @Option(help: "Images for each source image and domain.")
    var copies = CrossDomainSettings().copies

    @Option(help: "Share of the noise that an image starts from: 0 leaves it, 1 forgets it.")
    var strength = CrossDomainSettings().strength

    @Option(help: "Classifier-free guidance; 1 is none.")
    var guidance = CrossDomainSettings().guidanceScale

    @Option(help: "Denoising steps from pure noise.")
    var steps = CrossDomainSettings().steps

    @Option(help: "Images in one call of the diffusion model.")
    var batchSize = CrossDomainSettings().batchSize

    @Option(help: "Seeds the noise.")
    var seed = CrossDomainSettings().seed

    @OptionGroup var storing: StoreOption

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    private static let embeddedPrompt = "{a style} emoji of {a class}"

    func run() async throws {
        Machine.threads = threading.count
        let dataset = try ImageFolder(KnownDataset.locate(data))
        let plan = try CrossDomainPlan(settings(dataset), dataset: dataset)
        let maker = try plan.settings.maker(
            model.load(device: placement.found()), store: ContentStore(storing.folder))
        let generation = try OfflineGeneration(plan, maker: maker, folder: output)
        Interruption.watch()
        let progress = Progress("generate", unit: "images")
        let ledger = try generation.run { now in
            let whole = now.done == 0 ? 0 : Double(now.bytes) * Double(now.total) / Double(now.done)
            progress.show(
                now.done, of: now.total, note: "\(ByteCount(now.bytes)) of about \(ByteCount(Int(clamping: whole)))")
        }
        progress.clear()
        try generation.sheet(8).write(to: "\(output)/sheet.png")
        let seconds = ledger.seconds.values.reduce(0, +)
        print(
            "\(plainText(output)): \(plan.count) images, \(ledger.generatedMade) of them made now or before, the others from "
                + "\(plainText(storing.folder)); \(ledger.unetEvaluations) U-Net evaluations, "
                + "\(Progress.duration(seconds)) of all processes together; sheet.png shows some")
    }

    private func settings(_ dataset: ImageFolder) throws -> CrossDomainSettings {
        let isEmbedded = EmbeddedModel.isNamed(by: model.name)
        var settings = CrossDomainSettings()
        settings.styles = CrossDomainSettings.publishedStyles(of: dataset.datasetName)
        if dataset.datasetName == EmojiDG.benchmarkName {
            settings.styles = Dictionary(uniqueKeysWithValues: Vendor.benchmark.map { ($0.rawValue, $0.style) })
        }
        for (domain, words) in try StyleWords.parse(styles) {
            _ = try dataset.environment(named: domain)
            settings.styles[domain] = words
        }
        settings.styles = settings.styles.filter { dataset.environments.contains($0.key) }
        settings.prompt = prompt ?? (isEmbedded ? Self.embeddedPrompt : settings.prompt)
        settings.copies = copies
        settings.strength = strength
        settings.guidanceScale = guidance
        settings.steps = steps
        settings.batchSize = batchSize
        settings.seed = seed
        return settings
    }
}
