import ArgumentParser
import DomainFusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Torch

struct FeaturesReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Find the block and the time whose features are the same in all domains.",
        discussion: """
            Fits a linear probe to each block's features on all domains but one, and tests it on that one, each domain left \
            out in turn. Leave the domain out that your run will hold out: --test-domain. Prints for each block and time step

              inside    accuracy on images kept from the fit, of the domains that were fitted
              outside   accuracy on the domain left out, and its mean

            and writes the same as JSON, with a plot beside it.

              domainfusion features report --data data/EmojiDG --test-domain unifont --output features.json
            """)

    @Option(help: "The data set's folder, or the name of one under data/.", completion: .directory)
    var data: String

    @Option(
        name: [.customLong("test-domain"), .customLong("test-domains")], parsing: .singleValue,
        help: ArgumentHelp(
            "Domains that are not looked at, with commas or by repeating the option.", valueName: "domains"),
        completion: .domains)
    var testDomains: [String] = []

    @OptionGroup var model: LDMOption

    @Option(help: "Time steps, separated by commas.")
    var times = "10,50,200,450,700"

    @OptionGroup var storing: StoreOption

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    @Option(help: "The JSON file to write; the plot goes beside it, as PNG.", completion: .file(extensions: ["json"]))
    var output = "features-report.json"

    func run() async throws {
        try OutputFile.check(output, ending: ".json")
        Machine.threads = threading.count
        var settings = LatentFeatureSettings()
        settings.times = try FeaturesCommand.times(times)
        try settings.validate(path: "features")
        let dataset = try ImageFolder(KnownDataset.locate(data))
        let held = try Set(
            DomainNames.list(testDomains, known: dataset.environments).map { try dataset.environment(named: $0) })
        let items = dataset.items.indices.filter { !held.contains(dataset.items[$0].environment) }
        let ldm = try model.load(device: placement.found())
        Interruption.watch()
        let progress = Progress("features", unit: "images")
        var ledger = Ledger()
        let report = try FeatureReport(
            ldm, dataset: dataset, items: items, times: settings.times, store: ContentStore(storing.folder),
            ledger: &ledger
        ) { done, all in
            try Interruption.poll()
            progress.show(done, of: all)
        }
        progress.clear()
        try AtomicFile.write(try JSONValue(encoding: report).text + "\n", to: output)
        let plot = FilePath.withoutExtension(output) + ".png"
        try report.chart(title: "Linear probes on \(dataset.name)").write(to: plot)
        printText(Self.table(report))
        print(
            "\(plainText(output)) and \(plainText(plot)): \(items.count) images, \(ledger.unetEvaluations) new U-Net evaluations"
        )
    }

    static func table(_ report: FeatureReport) -> String {
        let rows = report.rows.map { row in
            [row.block, "\(row.time)", percent(row.inside)] + (row.outside + [row.meanOutside]).map(percent)
        }
        let titles = ["block", "time", "inside"] + report.domains + ["mean outside"]
        let best = report.best.map { "best outside: \($0.block) at \($0.time), \(percent($0.meanOutside))" } ?? ""
        return (alignedColumns([titles] + rows) + [best]).joined(separator: "\n")
    }

    private static func percent(_ value: Double) -> String { String(format: "%.1f %%", 100 * value) }
}
