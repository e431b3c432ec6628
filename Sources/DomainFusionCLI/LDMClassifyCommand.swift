import ArgumentParser
import Diffusion
import DomainFusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Pixels
import Torch

struct LDMClassify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "classify",
        abstract: "Measure how well the diffusion model itself classifies a data set's images.",
        discussion: """
            The class is the one under whose prompt the model predicts the noise best (Li and others 2023). Prints the accuracy \
            by squared (l2) and absolute (l1) errors, with all times alike and with a weight for each part of the schedule, fitted on \
            half of the source images, each also with classes dropped early; and the U-Net evaluations an image that each takes.

              domainfusion ldm classify --data data/EmojiDG --test-domain unifont --images 500
            """)

    @Option(help: "The data set's folder, or the name of one under data/.", completion: .directory)
    var data: String

    @Option(
        name: [.customLong("test-domain"), .customLong("test-domains")], parsing: .singleValue,
        help: ArgumentHelp(
            "Domains on which nothing is fitted, with commas or by repeating the option.", valueName: "domains"),
        completion: .domains)
    var testDomains: [String] = []

    @OptionGroup var model: LDMOption

    @Option(help: PromptHelp.text)
    var prompt: String?

    @Option(help: "Images, spread over domains and classes.")
    var images = 500

    @Option(help: "Draws of time and noise for each class.")
    var draws = 16

    @Option(help: "When classes are dropped: DRAWS:CLASSES that stay, with commas.")
    var eliminate = "4:5,8:2"

    @Option(help: "Parts of the schedule that have a weight each.")
    var parts = 8

    @OptionGroup var storing: StoreOption

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    @Option(help: "The JSON file to write.", completion: .file(extensions: ["json"]))
    var output = "classify-report.json"

    func validate() throws {
        try check("--images", images, in: 4...largestCount)
        try check("--draws", draws, in: 1...100_000)
        try check("--parts", parts, in: 1...1000)
    }

    func run() async throws {
        try OutputFile.check(output, ending: ".json")
        Machine.threads = threading.count
        let elimination = try Elimination(eliminate)
        var settings = PosteriorDistillationSettings()
        settings.prompt = model.prompt(prompt, other: settings.prompt)
        try settings.validate(path: "classify")
        let dataset = try ImageFolder(KnownDataset.locate(data))
        let held = try Set(
            DomainNames.list(testDomains, known: dataset.environments).map { try dataset.environment(named: $0) })
        let ldm = try model.load(device: placement.found())
        let classifier = try DiffusionClassifier(ldm, draws: draws, store: ContentStore(storing.folder))
        let prompts = dataset.classes.map { Caption.prompt(settings.prompt, class: $0) }
        let all = AugmentationSource.all(of: dataset, items: Array(dataset.items.indices))
        let chosen = all.drawn(budget: images, seed: 0, draw: 0).map { all[$0] }
        Interruption.watch()
        let progress = Progress("asking about images", unit: "images")
        var (samples, ledger) = ([ClassifierReport.Sample](), Ledger())
        for (done, source) in chosen.enumerated() {
            try Interruption.poll()
            samples.append(
                ClassifierReport.Sample(
                    table: try classifier.table(source.image(), prompts: prompts, ledger: &ledger), label: source.label,
                    isHeldOut: held.contains(source.environment)))
            progress.show(done + 1, of: chosen.count)
        }
        progress.clear()
        let report = ClassifierReport(
            samples, elimination: elimination, parts: parts, timeSteps: classifier.timeSteps)
        try AtomicFile.write(try JSONValue(encoding: report).text + "\n", to: output)
        printText(Self.table(report))
        print(
            "\(plainText(output)): \(report.fitted) source images fitted, \(report.checked) checked, \(report.heldOut) held out; "
                + "\(ledger.unetEvaluations) new U-Net evaluations")
    }

    static func table(_ report: ClassifierReport) -> String {
        func percent(_ value: Double?) -> String { value.map { String(format: "%.1f %%", 100 * $0) } ?? "-" }
        let rows = report.rows.map { row in
            [
                row.metric.rawValue + (row.isFitted ? ", fitted times" : "")
                    + (row.isEliminating ? ", early elimination" : ""),
                percent(row.sources), percent(row.heldOut), String(format: "%.0f", row.evaluations),
            ]
        }
        return alignedColumns([["errors", "source domains", "held-out domains", "evaluations"]] + rows)
            .joined(separator: "\n")
    }
}
