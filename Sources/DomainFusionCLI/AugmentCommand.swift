import ArgumentParser
import Diffusion
import DomainFusion
import DomainGeneralization
import Experiments
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
              domainfusion augment dog.jpg --label dog --ldm stable-diffusion-v1-5 --strength 0.5 --output dog-candidates.png
            """)

    @Argument(help: "Image files of one class: JPEG, PNG, WebP or BMP.", completion: .images)
    var images: [String]

    @Option(help: "The class that the images show.")
    var label: String

    @OptionGroup var model: LDMOption

    @Option(help: "Candidates of each image.")
    var candidates = AugmentationSettings().candidates

    @Option(
        help: """
            How candidates are made: img2img, or inversion (to noise and back by DDIM; at most one candidate a prompt).
            """)
    var generator = AugmentationSettings().generator

    @Option(help: "Share of the noise that a candidate starts from: 0 leaves the image, 1 forgets it.")
    var strength = AugmentationSettings().strength

    @Option(help: "Classifier-free guidance; 1 is none.")
    var guidance = AugmentationSettings().guidanceScale

    @Option(help: "Denoising steps from pure noise.")
    var steps = AugmentationSettings().steps

    @Option(help: "The sampler, for img2img: \(SchedulerChoice.names); own is the one that the model's files name.")
    var scheduler = AugmentationSettings().scheduler

    @Option(
        name: .customLong("prompt"),
        help: ArgumentHelp(
            "A prompt; {class} or {a class} stands for the label. Several are asked for one candidate after the other. By "
                + "default \"\(AugmentationSettings().prompts[0])\", or of the embedded model \"\(EmbeddedModel.prompt)\"."
        ))
    var prompts: [String] = []

    @Option(
        help: """
            fourier (amplitude and phase), latent (adaptive instance normalisation), candidate (one candidate as it is) \
            or injection (the diffusion model draws the content in the style).
            """)
    var composition = AugmentationSettings().composition

    @Option(help: "Share of the highest frequency up to which the style's amplitude is taken, for fourier.")
    var fourierRadius = AugmentationSettings().fourierRadius

    @Option(
        help:
            "Whose amplitude is taken, for fourier: candidates, sources (another of the images) or noise (like the image)."
    )
    var amplitudes = AugmentationSettings().amplitudes

    @Option(help: "Whose contents can be chosen: candidates or candidates+source.")
    var contentPool = AugmentationSettings().contentPool

    @Option(help: "How contents are compared: own (as the composition has it), phase, edges or latent.")
    var contentSimilarity = AugmentationSettings().contentSimilarity

    @Option(
        help: "How alike a candidate's content must be to be chosen; otherwise the image's own is. 0 is no threshold.")
    var contentThreshold = AugmentationSettings().contentThreshold

    @Option(help: "Rounds, one row each.")
    var rounds = 1

    @Option(help: "Seed of the candidates' noise.")
    var seed = 0

    @OptionGroup var storing: StoreOption

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    @Option(name: .shortAndLong, help: "The PNG file to write.", completion: .file(extensions: ["png"]))
    var output = "augment.png"

    func validate() throws {
        guard !images.isEmpty else { throw ValidationError("no image is given") }
        try check("--rounds", rounds, in: 1...1000)
    }

    func run() async throws {
        try OutputFile.check(output, ending: ".png")
        Machine.threads = threading.count
        var settings = AugmentationSettings()
        settings.candidates = candidates
        settings.generator = generator
        settings.strength = strength
        settings.guidanceScale = guidance
        settings.steps = steps
        settings.scheduler = scheduler
        if prompts.isEmpty { settings.prompts = settings.prompts.map { model.prompt(nil, other: $0) } }
        if !prompts.isEmpty { settings.prompts = prompts }
        settings.composition = composition
        settings.fourierRadius = fourierRadius
        settings.amplitudes = amplitudes
        settings.contentPool = contentPool
        settings.contentSimilarity = contentSimilarity
        settings.contentThreshold = contentThreshold
        settings.seed = seed
        try settings.validate(path: "augment")
        let decoded = try images.map(ImageFile.decode)
        let ldm = try model.load(device: placement.found())
        let augmenter = try settings.augmenter(ldm, store: ContentStore(storing.folder))

        var ledger = Ledger()
        var outcomes: [[Augmenter.Outcome]] = []
        let sources = decoded.map { $0.resized(width: ldm.imageSize, height: ldm.imageSize) }
        for round in 1...rounds {
            let starts = outcomes.last.map { $0.map(\.image) } ?? sources
            let requests = try sources.indices.map { index in
                let name = SHA256Sum.of(sources[index])
                let others = sources.indices.filter { $0 != index }
                return settings.request(
                    name: name, start: starts[index], source: sources[index], label: 0, className: label, round: round,
                    amplitude: try settings.amplitude(image: name, round: round, others: others.count) {
                        (images[others[$0]], sources[others[$0]])
                    })
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
            title: settings.prompts.map { Caption.prompt($0, class: label) }.joined(separator: " · ")
        ).write(to: output)
        let seconds = ledger.seconds.sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value }
        print(
            "\(output): \(ledger.generatedMade) of \(candidates * images.count * rounds) candidates made, the others from "
                + "\(storing.folder); \(ledger.unetEvaluations) U-Net evaluations, \(String(format: "%.1f", seconds)) s; "
                + "the image's own content chosen for \(rows.count { $0.outcome.hasSourceContent }) of \(rows.count)"
        )
    }
}

extension SchedulerChoice: ExpressibleByArgument {}
extension AugmentationSettings.Generator: ExpressibleByArgument {}
extension AugmentationSettings.Composition: ExpressibleByArgument {}
extension AugmentationSettings.Amplitudes: ExpressibleByArgument {}
extension AugmentationSettings.ContentPool: ExpressibleByArgument {}
extension ContentSimilarity: ExpressibleByArgument {}
