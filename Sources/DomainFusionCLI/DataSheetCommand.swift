import ArgumentParser
import DomainGeneralization
import Foundation
import Foundations
import Pixels

struct DataSheetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sheet",
        abstract: "Draw a contact sheet of a data set: classes in rows, domains in columns.",
        discussion: """
            The images are drawn at random with the seed; an empty place is a class that the domain lacks.

            Example: domainfusion data sheet data/EmojiDG --output emoji.png --samples 3
            """)

    @Argument(help: "The data set's folder.", completion: .directory)
    var folder: String

    @Option(name: .shortAndLong, help: "The PNG file to write.", completion: .file(extensions: ["png"]))
    var output: String

    @Option(help: "Images of each class and domain.")
    var samples = 2

    @Option(help: "Seeds the draw.")
    var seed = 0

    func validate() throws {
        try check("--samples", samples, in: 1...1000)
    }

    func run() async throws {
        try OutputFile.check(output, ending: ".png")
        let dataset = try ImageFolder(KnownDataset.locate(folder))
        var byPlace: [[Int]: [ImageFolder.Item]] = [:]
        for item in dataset.items { byPlace[[item.label, item.environment], default: []].append(item) }
        let rows = try dataset.classes.indices.map { label in
            try dataset.environments.indices.flatMap { environment in
                var generator = SeededGenerator(seed: UInt64(bitPattern: Int64(seed)), domain: environment, step: label)
                let chosen = (byPlace[[label, environment]] ?? []).shuffled(using: &generator).prefix(samples)
                let cells = try chosen.map { item in
                    ContactSheet.Cell(Self.shrunk(try ImageFile.decode(item.path)), caption: item.name)
                }
                return cells + Array(repeating: ContactSheet.Cell(nil), count: samples - cells.count)
            }
        }
        let labels = dataset.environments.flatMap { [$0] + Array(repeating: "", count: samples - 1) }
        let sheet = ContactSheet(
            title: "\(dataset.name): \(dataset.items.count) images", rows: rows, rowLabels: dataset.classes,
            columnLabels: labels, cellSize: 64)
        try sheet.write(to: output)
        print("\(output): \(dataset.classes.count) classes × \(dataset.environments.count) domains")
    }

    /// Large photographs are brought to 128 pixels.
    private static func shrunk(_ image: RGBImage) -> RGBImage {
        let longest = max(image.width, image.height)
        guard longest > 128 else { return image }
        return image.resized(width: max(1, image.width * 128 / longest), height: max(1, image.height * 128 / longest))
    }
}
