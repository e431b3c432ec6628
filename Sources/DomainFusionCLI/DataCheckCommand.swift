import ArgumentParser
import DomainGeneralization
import Foundation
import Foundations

struct DataCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Count a data set's images and find duplicates and unreadable files.",
        discussion: """
            Prints a table of domains and classes, then what is odd: classes missing in a domain, files that are no \
            images by their names or in formats that are not read, animations, images of the same content. Files that \
            cannot be decoded are errors, a PNG with a wrong checksum among them: then the exit status is 1.

            Example: domainfusion data check data/EmojiDG
            """)

    @Argument(help: "The data set's folder.", completion: .directory)
    var folder: String

    @OptionGroup var threading: ThreadsOption

    func run() async throws {
        let dataset = try ImageFolder(KnownDataset.locate(folder))
        let progress = Progress("reading images", unit: "images")
        let report = try DatasetCheck(dataset, threads: threading.count) { progress.show($0, of: $1) }
        progress.clear()
        printText(Self.table(dataset))
        for line in dataset.missingClasses { print(line) }
        for line in KnownDataset.named(dataset.name)?.differences(dataset) ?? [] { print(line) }
        Self.list(dataset.leftOut, title: "images left out, because the list of duplicates names them")
        Self.list(dataset.unreadImages, title: "images in formats that are not read, not used")
        let unread = Set(dataset.unreadImages)
        Self.list(
            dataset.otherFiles.filter { !unread.contains($0) },
            title: "files that are no images by their names, not used")
        Self.list(report.notes, title: "animations")
        Self.list(
            report.duplicates.map { $0.joined(separator: " = ") }, title: "images of the same content")
        let unseen = dataset.items.count { $0.isUnseen }
        if unseen > 0 { print("\(unseen) images are unseen items: in no split, evaluated apart") }
        guard report.unreadable.isEmpty else {
            Self.list(report.unreadable, title: "files that cannot be read")
            let count = report.unreadable.count
            throw UserError(
                "\(dataset.root): \(count) \(count == 1 ? "image" : "images") cannot be read, first \(report.unreadable[0])"
            )
        }
        print("every image can be read")
    }

    private static func list(_ lines: [String], title: String) {
        guard !lines.isEmpty else { return }
        print("\(title): \(lines.count)")
        for line in lines.prefix(20) { print("  \(line)") }
        if lines.count > 20 { print("  and \(lines.count - 20) more") }
    }

    /// Domains in columns, classes in rows.
    static func table(_ dataset: ImageFolder) -> String {
        let counts = dataset.counts
        var rows = [[""] + dataset.environments.map { plainText($0) } + ["all"]]
        for (label, name) in dataset.classes.enumerated() {
            let row = counts.map { $0[label] }
            rows.append([plainText(name)] + (row + [row.reduce(0, +)]).map(String.init))
        }
        let sums = counts.map { $0.reduce(0, +) }
        rows.append(["all"] + (sums + [sums.reduce(0, +)]).map(String.init))
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + padding : padding + row[column]
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
