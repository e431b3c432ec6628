import ArgumentParser
import Diffusion
import DomainFusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Torch

struct CurvesReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Measure on a data set how much of latent distillation is about the class.",
        discussion: """
            Asks the diffusion model about a sample of images under the prompt of their class and of another, drawn one,
            and prints for each guidance and confidence p:

              right, wrong   mean G(p) under either prompt
              correlation    of the two over images: near 1, the model sees brightness rather than the class
              class share    root mean square of right - wrong, as a share of that of right
              image share    share of G's variance over images that is theirs, not the draws' noise
              variance       of g by a single draw, and by noise of the mean of all draws

            and what interpolation between a curve's nodes misses. All of it goes into a JSON file, too.

              domainfusion curves report --data data/EmojiDG --domains noto,openmoji --images 32
            """)

    @Option(help: "The data set's folder, or the name of one under data/.", completion: .directory)
    var data: String

    @Option(
        name: [.customLong("domains"), .customLong("domain")], parsing: .singleValue,
        help: ArgumentHelp(
            "Domains to take images of, with commas or by repeating the option; all by default.", valueName: "domains"),
        completion: .domains)
    var domains: [String] = []

    @Option(help: "Images, spread over domains and classes.")
    var images = 32

    @Option(help: "Guidance scales, separated by commas; 1 is none.")
    var guidance = "1,3,7.5"

    @Option(help: "Confidences p, separated by commas.")
    var points = "0.1,0.3,0.5,0.7,0.9"

    @OptionGroup var model: LDMOption

    @Option(help: PromptHelp.text)
    var prompt: String?

    @Option(help: "Nodes of the curves whose interpolation is measured.")
    var nodes = LatentDistillationSettings().nodes

    @Option(help: "Draws of noise and time step at each p, an even number.")
    var draws = 16

    @Option(help: "Seeds the draw of images, of wrong classes and of noise.")
    var seed = 0

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    @Option(help: "The JSON file to write.", completion: .file(extensions: ["json"]))
    var output = "curves-report.json"

    func validate() throws {
        try check("--images", images, in: 2...largestCount)
    }

    func run() async throws {
        try OutputFile.check(output, ending: ".json")
        Machine.threads = threading.count
        let scales = try Self.numbers(guidance, "--guidance")
        guard scales.allSatisfy({ $0 >= 1 }) else { throw ValidationError("--guidance: must be at least 1") }
        let points = try Self.numbers(self.points, "--points")
        var settings = LatentDistillationSettings()
        settings.prompt = model.prompt(prompt, other: settings.prompt)
        settings.nodes = nodes
        settings.draws = draws
        let dataset = try ImageFolder(KnownDataset.locate(data))
        let chosen = try Set(
            DomainNames.list(domains, known: dataset.environments).map { try dataset.environment(named: $0) })
        let items = dataset.items.indices.filter { chosen.isEmpty || chosen.contains(dataset.items[$0].environment) }
        let ldm = try model.load(device: placement.found())
        let probe = try PromptProbe(ldm, classes: dataset.classes, settings: settings, points: points)

        Interruption.watch()
        let progress = Progress("asking about images", unit: "images")
        let samples = try probe.samples(
            of: AugmentationSource.all(of: dataset, items: items), count: images, seed: seed
        ) { done, total in
            try Interruption.poll()
            progress.show(done, of: total)
        }
        progress.clear()
        let report = PromptReport(samples, points: points, guidanceScales: scales)
        try AtomicFile.write(try JSONValue(encoding: report).text + "\n", to: output)
        print(
            "\(dataset.name): \(samples.count) images, \(draws) draws, \(samples.count * probe.evaluationsPerImage) U-Net "
                + "evaluations, prompt \"\(settings.prompt)\"")
        for part in report.guidance { printText(Self.table(part, report)) }
        printText("\n\(plainText(output)): the same as JSON, with each image's means")
    }

    static func numbers(_ text: String, _ option: String) throws -> [Double] {
        let parts = text.split(separator: ",")
        let numbers = parts.compactMap { Double($0.trimmingCharacters(in: .whitespaces)) }.filter(\.isFinite)
        guard !numbers.isEmpty, numbers.count == parts.count else {
            throw ValidationError("\(option): \(text) is not a list of numbers separated by commas")
        }
        return numbers
    }

    static func table(_ part: PromptReport.Guidance, _ report: PromptReport) -> String {
        let titles = [
            "p", "right", "wrong", "correlation", "class share", "image share", "variance 1", "\(report.draws)",
        ]
        var lines = ["", "guidance \(format(part.scale))", cells(titles)]
        for row in part.rows {
            lines.append(
                cells([
                    format(row.confidence), format(row.right), format(row.wrong), format(row.correlation),
                    format(row.classShare), format(row.imageShare), format(row.drawVariance), format(row.meanVariance),
                ]))
        }
        lines.append(
            "  curves of \(report.nodes) nodes miss \(format(part.interpolationError)) of the direct value; variance × "
                + "U-Net evaluations: \(format(part.drawVarianceByEvaluation)) by single draws, "
                + "\(format(part.meanVarianceByEvaluation)) by \(report.draws) stratified ones")
        return lines.joined(separator: "\n")
    }

    private static func cells(_ texts: [String]) -> String {
        texts.map { String(repeating: " ", count: max(1, 13 - $0.count)) + $0 }.joined()
    }

    /// Three significant digits; a dash for what is not known.
    private static func format(_ value: Double?) -> String { value.map { String(format: "%.3g", $0) } ?? "-" }
}
