import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation
import Foundations

struct ReportCommand: AsyncParsableCommand {
    enum Format: String, CaseIterable, ExpressibleByArgument {
        case text, latex, csv, json
    }

    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Print the tables of a sweep: accuracy on every unseen domain, mean and standard error over trials.",
        discussion: """
            Reads the results.jsonl of every run in a folder, and chooses the models in three ways: by validation on \
            the training domains, by leave-one-domain-out validation, and by the unseen domain itself (oracle); what runs cost \
            stands below. \
            --domainbed reads the output folder of a DomainBed sweep, and prints what DomainBed's collect_results \
            prints, character for character.

            Examples:
              domainfusion report runs/sweep
              domainfusion report runs/sweep --format latex > table.tex
              domainfusion report runs/sweep --html report.html
              domainfusion report runs/erm runs/fusion --html report.html --map runs/erm --map runs/fusion
              domainfusion report --domainbed domainbed/sweep_output
            """)

    @Argument(help: "Folders of runs, or of sweeps.", completion: .directory)
    var folders: [String] = []

    @Option(help: "The output folder of a DomainBed sweep, in place of one of ours.", completion: .directory)
    var domainbed: String?

    @Option(help: "text, latex, csv (one line a cell) or json.")
    var format = Format.text

    @Option(
        help: "Write a page with tables, plots and images here, in place of printing; a file .html.",
        completion: .file(extensions: ["html"]))
    var html: String?

    @Option(help: "With --html: write every plot as SVG and PNG into this folder, too.", completion: .directory)
    var plots: String?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "With --html: draw how this finished run's classifier sees the domains and classes; may be repeated.",
            valueName: "run"), completion: .directory)
    var map: [String] = []

    @OptionGroup var threading: ThreadsOption

    @Option(help: "With --html: the method that gains are measured against.")
    var against = "ERM"

    func validate() throws {
        guard html == nil || domainbed == nil else {
            throw ValidationError("--html: pages are made of our own runs' files; leave --domainbed out")
        }
        guard plots == nil || html != nil else { throw ValidationError("--plots goes with --html") }
        guard map.isEmpty || html != nil else { throw ValidationError("--map goes with --html") }
        guard folders.isEmpty != (domainbed == nil) else {
            throw ValidationError("give folders of runs or sweeps, or a DomainBed sweep's with --domainbed")
        }
    }

    func run() async throws {
        if let html { return try writePage(html) }
        let isForeign = domainbed != nil
        let records = try ResultRecord.read(folders: domainbed.map { [$0] } ?? folders, nested: !isForeign) {
            printError("warning: \($0)")
        }
        let report = try ResultReport(records, knownOnly: isForeign)
        if isForeign { Self.warnOfUnknown(records, in: report) }
        switch format {
        case .text:
            printText(isForeign ? report.domainBedText() : report.text())
            if let costs = try costs() { printText("\n" + MethodCost.text(costs)) }
        case .latex: printText(isForeign ? report.domainBedLaTeX() : report.latex())
        case .csv: printText(report.csv())
        case .json:
            var members = report.json().object ?? [:]
            members["costs"] = try costs().map { try JSONValue(encoding: $0) }
            print(JSONValue.object(members).text)
        }
    }

    private func writePage(_ path: String) throws {
        try OutputFile.check(path, ending: ".html")
        let page = try ReportPage(folders: folders, baseline: against, maps: map, threads: threading.count) {
            printError("warning: \($0)")
        }
        if let plots { try page.writePlots(to: plots) }
        try page.write(to: path)
        print("\(plainText(path)): written")
    }

    /// What the methods cost; nil where nothing of a folder has ended, so that nothing can be said.
    private func costs() throws -> [MethodCost]? {
        let ended = folders.filter { folder in
            RunSeal.exists(in: folder)
                || (Files.names(in: folder) ?? []).contains { RunSeal.exists(in: "\(folder)/\($0)") }
        }
        return ended.isEmpty ? nil : try MethodCost.all(in: ended)
    }

    /// DomainBed's script passes over data sets that it does not know, without a word.
    private static func warnOfUnknown(_ records: [ResultRecord], in report: ResultReport) {
        let shown = Set(report.sections.first?.tables.compactMap(\.dataset) ?? [])
        for name in Set(records.map(\.dataset)).subtracting(shown).sorted() {
            printError("warning: data set '\(name)' is none of DomainBed's, and in none of its tables")
        }
    }
}
