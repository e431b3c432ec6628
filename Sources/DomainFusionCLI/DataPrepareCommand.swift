import ArgumentParser
import EmojiDG
import Foundation
import Synchronization

/// `domainfusion data prepare emoji`
struct DataPrepare: AsyncParsableCommand {
    enum DataSetName: String, CaseIterable, ExpressibleByArgument {
        case emoji
    }

    static let configuration = CommandConfiguration(
        commandName: "prepare",
        abstract: "Draw the embedded benchmark from the installed packages.",
        discussion: """
            Writes OUTPUT/EmojiDG/<domain>/<class>/<item>.png and a manifest.jsonl with each image's item, licence, \
            source package and SHA-256. Nothing is drawn when the folder is up to date.

            Example: domainfusion data prepare emoji --ldm-corpus
            """)

    @Argument(help: "The data set to prepare: emoji.")
    var dataSet: DataSetName

    @Option(name: .shortAndLong, help: "The folder that the data sets are put into.")
    var output = "data"

    @Option(help: "The folder with the PyPI packages that scripts/bootstrap unpacked.")
    var packages = "data/packages"

    @Flag(help: "Draw OUTPUT/EmojiLDM too: the corpus that the embedded LDM is trained on.")
    var ldmCorpus = false

    func run() async throws {
        let line = ProgressLine()
        let summary = try await EmojiDG.prepare(
            into: output, packages: .standard(packages: packages), includeLDMCorpus: ldmCorpus
        ) { done, total in line.show(done, of: total) }
        line.clear()
        for set in summary.dataSets {
            print("\(output)/\(set.name): \(set.records.count) images\(summary.wasUpToDate ? ", up to date" : "")")
            print(Self.table(set.records))
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
    private let isTerminal = isatty(STDERR_FILENO) != 0

    func show(_ done: Int, of total: Int) {
        guard isTerminal, total > 0 else { return }
        let percent = done * 100 / total
        shown.withLock { last in
            guard percent > last else { return }
            last = percent
            FileHandle.standardError.write(Data("\rdrawing \(percent) %".utf8))
        }
    }

    func clear() {
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
    }
}
