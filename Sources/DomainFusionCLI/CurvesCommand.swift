import ArgumentParser
import Diffusion
import DomainFusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Pixels
import Torch

struct CurvesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "curves", abstract: "What the diffusion model thinks of images at each brightness: LD curves.",
        discussion: """
            G(p) is latent distillation's gradient for an image that is darkened to the share p of its brightness.
            Negative values ask the classifier for more confidence. Where the curves under the right and a wrong class's
            prompt agree, the model sees brightness, not the class.

              domainfusion curves lion.png --label animal --wrong vehicle --output curves.png
              domainfusion curves report --data data/EmojiDG --images 32 --output report.json
            """,
        subcommands: [CurvesDrawCommand.self, CurvesReportCommand.self], defaultSubcommand: CurvesDrawCommand.self)
}

/// What both curves' commands say of --prompt.
enum PromptHelp {
    static let text = ArgumentHelp(
        "The prompt, with {class} or {a class}; by default \"\(LatentDistillationSettings().prompt)\", or of the embedded model "
            + "\"\(EmbeddedModel.prompt)\".")
}

struct CurvesDrawCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "draw", abstract: "Draw the curves of given images (what 'curves' does without a subcommand).",
        discussion: "Example: domainfusion curves lion.png --label animal --wrong vehicle --output curves.png")

    @Argument(help: "Images.", completion: .images)
    var images: [String]

    @Option(help: "The class that the prompt names.")
    var label: String

    @Option(help: "Another class, for comparison.")
    var wrong: String?

    @OptionGroup var model: LDMOption

    @Option(help: PromptHelp.text)
    var prompt: String?

    @Option(help: "Classifier-free guidance; 1 is none.")
    var guidance = LatentDistillationSettings().guidanceScale

    @Option(help: "Nodes in p.")
    var nodes = LatentDistillationSettings().nodes

    @Option(help: "Draws of noise and time step at each node.")
    var draws = 16

    @OptionGroup var storing: StoreOption

    @Option(help: "The plot, a PNG file; the numbers go beside it as JSON.", completion: .file(extensions: ["png"]))
    var output = "curves.png"

    func run() async throws {
        guard !images.isEmpty else { throw ValidationError("name at least one image") }
        try OutputFile.check(output, ending: ".png")
        var settings = LatentDistillationSettings()
        settings.prompt = model.prompt(prompt, other: settings.prompt)
        settings.guidanceScale = guidance
        settings.nodes = nodes
        settings.draws = draws
        try settings.validate(path: "curves")
        let decoded = try images.map { try ImageFile.decode($0) }
        let ldm = try model.load(vaePrecision: .float32)
        let classes = [label] + (wrong.map { [$0] } ?? [])
        let library = try DistillationLibrary(
            LatentDistillation(FrozenDenoiser(ldm), settings), store: ContentStore(storing.folder))
        var ledger = Ledger()
        let grid = ChebyshevGrid(nodes)
        var series: [LineChart.Series] = []
        var records: [JSONValue] = []
        for (path, image) in zip(images, decoded) {
            for name in classes {
                let curve = try library.curve(
                    image, prompt: Caption.prompt(settings.prompt, class: name), ledger: &ledger)
                let title = "\(FilePath.name(of: path)), \(name)"
                let points = zip(grid.nodes, curve.values).map { (x: $0, y: Double($1)) }
                series.append(LineChart.Series(title, points: points))
                let record: [String: JSONValue] = [
                    "image": .string(path), "class": .string(name), "p": .array(grid.nodes.map { .double($0) }),
                    "g": Self.numbers(curve.values), "deviation": Self.numbers(curve.deviations),
                ]
                records.append(.object(record))
            }
        }
        let chart = LineChart(
            title: "LD curves", xLabel: "confidence p", yLabel: "G(p)", series: series)
        try chart.write(to: output)
        let json = FilePath.withoutExtension(output) + ".json"
        try AtomicFile.write(JSONValue.array(records).text + "\n", to: json)
        print("\(output) and \(json): \(series.count) curves, \(ledger.unetEvaluations) new U-Net evaluations")
    }

    private static func numbers(_ values: [Float]) -> JSONValue { .array(values.map { .double(Double($0)) }) }
}
