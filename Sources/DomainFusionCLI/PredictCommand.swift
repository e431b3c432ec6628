import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation
import Pixels

struct PredictCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Classify images with a run's classifier.",
        discussion: """
            Examples:
              domainfusion predict cat.jpg dog.png --run runs/erm
              domainfusion predict *.png --run runs/erm --json --top 1
            """)

    @Argument(help: "Image files: JPEG, PNG, WebP or BMP.")
    var images: [String]

    @Option(help: "The run's folder.")
    var run: String

    @Option(help: "How many classes to show, the most probable first.")
    var top = 3

    @OptionGroup var threading: ThreadsOption

    @Option(help: "auto, cpu, cuda, cuda:INDEX or mps.")
    var device = "auto"

    @Flag(help: "Take the averaged model of a run with --average.")
    var averaged = false

    @Flag(help: "Print one JSON object for each image.")
    var json = false

    func validate() throws {
        guard top > 0 else { throw ValidationError("--top: \(top) is not above 0") }
    }

    func run() async throws {
        let model = try TrainedModel(run: run, averaged: averaged, device: device, threads: threading.threads)
        // All files are read before the first result is printed: a mistake in one is told at once.
        let decoded = try images.map(ImageFile.decode)
        for start in stride(from: 0, to: images.count, by: 64) {
            let range = start..<min(start + 64, images.count)
            for (path, row) in zip(images[range], try model.probabilities(Array(decoded[range]))) {
                let best = row.indices.sorted { row[$0] > row[$1] }.prefix(top)
                if json {
                    let classes = best.map { index -> JSONValue in
                        .object(["class": .string(model.classes[index]), "probability": .double(row[index])])
                    }
                    print(JSONValue.object(["image": .string(path), "predictions": .array(classes)]).text)
                } else {
                    let text = best.map { "\(model.classes[$0]) \(ResultText.percent(row[$0]))" }
                    print("\(path): \(text.joined(separator: ", "))")
                }
            }
        }
    }
}
