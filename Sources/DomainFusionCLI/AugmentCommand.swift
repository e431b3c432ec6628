import ArgumentParser
import Diffusion
import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

struct AugmentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "augment",
        abstract: "Show what online augmentation makes of images: candidates, chosen style and content, composed.",
        discussion: """
            Each image becomes a row: N candidates by the diffusion model, with how alike their style and their content \
            are to the image's own; the style least like it and the content most like it; the two composed. With \
            several rounds, each starts from the image composed in the one before.

            Examples:
              domainfusion augment lion.png tiger.png --label animal --output candidates.png
              domainfusion augment dog.jpg --label dog --ldm stable-diffusion-v1-5 --prompt "a photo of {a class}" \\
                --strength 0.75 --composition latent --output dog-candidates.png
            """)

    @Argument(help: "Image files of one class: JPEG, PNG, WebP or BMP.")
    var images: [String]

    @Option(help: "The class that the images show.")
    var label: String

    @Option(
        help: """
            The latent diffusion model: a folder in diffusers layout, a file of Stable Diffusion, or ORG/NAME[@REVISION] of \
            the Hugging Face hub.
            """)
    var ldm = "Models/emoji-ldm"

    @Option(help: "The model's precision: float32, bfloat16 or float16.")
    var ldmDtype = ModelPrecision.float32

    @Option(help: "Candidates of each image.")
    var candidates = AugmentationSettings().candidates

    @Option(help: "Share of the noise that a candidate starts from: 0 leaves the image, 1 forgets it.")
    var strength = AugmentationSettings().strength

    @Option(help: "Classifier-free guidance; 1 is none.")
    var guidance = AugmentationSettings().guidanceScale

    @Option(help: "Denoising steps from pure noise.")
    var steps = AugmentationSettings().steps

    @Option(
        name: .customLong("prompt"),
        help:
            "A prompt; {class} or {a class} stands for the label. Several are asked for one candidate after the other.")
    var prompts = AugmentationSettings().prompts

    @Option(help: "fourier (amplitude and phase) or latent (adaptive instance normalisation).")
    var composition = AugmentationSettings.Composition.fourier

    @Option(help: "Share of the highest frequency up to which the style's amplitude is taken, for fourier.")
    var fourierRadius = AugmentationSettings().fourierRadius

    @Option(help: "Whose contents can be chosen: candidates or candidates+source.")
    var contentPool = AugmentationSettings.ContentPool.candidates

    @Option(help: "Rounds, one row each.")
    var rounds = 1

    @Option(help: "Seed of the candidates' noise.")
    var seed = 0

    @Option(help: "The folder of results of diffusion models that runs share.")
    var store = "store"

    @Option(help: "auto, cpu, cuda, cuda:INDEX or mps.")
    var device = "auto"

    @OptionGroup var threading: ThreadsOption

    @Option(name: .shortAndLong, help: "The PNG file to write.")
    var output = "augment.png"

    func validate() throws {
        guard !images.isEmpty else { throw ValidationError("no image is given") }
        try check("--rounds", rounds, in: 1...1000)
    }

    func run() async throws {
        try OutputFile.check(output, ending: ".png")
        Machine.threads = threading.threads
        var settings = AugmentationSettings()
        settings.candidates = candidates
        settings.strength = strength
        settings.guidanceScale = guidance
        settings.steps = steps
        settings.prompts = prompts
        settings.composition = composition
        settings.fourierRadius = fourierRadius
        settings.contentPool = contentPool
        settings.seed = seed
        try settings.validate(path: "augment")
        let decoded = try images.map(ImageFile.decode)
        let model = try ModelDownload.load(ldm, device: Device(parsing: device), precision: ldmDtype)
        let augmenter = try settings.augmenter(model, store: ContentStore(store))

        var ledger = Ledger()
        var outcomes: [[Augmenter.Outcome]] = []
        let sources = decoded.map { $0.resized(width: model.imageSize, height: model.imageSize) }
        for round in 1...rounds {
            let starts = outcomes.last.map { $0.map(\.image) } ?? sources
            let requests = zip(starts, sources).map { start, source in
                settings.request(
                    name: SHA256Sum.of(source), start: start, source: source, label: 0, className: label, round: round
                )
            }
            outcomes.append(try augmenter.outcomes(requests, ledger: &ledger))
        }
        let names = images.map { FilePath.stem(of: $0) }
        let rows = names.indices.flatMap { index in
            outcomes.enumerated().map { round, row in
                (name: rounds == 1 ? names[index] : "\(names[index]), round \(round + 1)", outcome: row[index])
            }
        }
        try CandidateGallery.sheet(
            rows.map(\.outcome), names: rows.map(\.name),
            title: prompts.map { Caption.prompt($0, class: label) }.joined(separator: " · ")
        ).write(to: output)
        let seconds = ledger.seconds.sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value }
        print(
            "\(output): \(ledger.generatedMade) of \(candidates * images.count * rounds) candidates made, the others from "
                + "\(store); \(ledger.unetEvaluations) U-Net evaluations, \(String(format: "%.1f", seconds)) s")
    }
}

extension AugmentationSettings.Composition: ExpressibleByArgument {}
extension AugmentationSettings.ContentPool: ExpressibleByArgument {}
