import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Pixels

struct PredictCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Classify images with a run's classifier.",
        discussion: """
            An image that cannot be read is named on standard error, and the others are classified; then the exit status \
            is 1.

            Examples:
              domainfusion predict cat.jpg dog.png --run runs/erm
              domainfusion predict *.png --run runs/erm --json --top 1
            """)

    @Argument(help: "Image files: JPEG, PNG, WebP or BMP.", completion: .images)
    var images: [String]

    @Option(help: "The run's folder.", completion: .directory)
    var run: String

    @Option(help: "How many classes to show, the most probable first.")
    var top = 3

    @OptionGroup var threading: ThreadsOption

    @OptionGroup var placement: DeviceOption

    @Flag(help: "Take the averaged model of a run with --average.")
    var averaged = false

    @Flag(help: "Print one JSON object for each image.")
    var json = false

    func validate() throws {
        try check("--top", top, in: 1...largestCount)
    }

    func run() async throws {
        let classes: [String]
        let probabilities: ([RGBImage]) throws -> [[Double]]
        if GenerativeModel.isRun(run) {
            var model = try GenerativeModel(run: run, device: placement.name, threads: threading.count)
            classes = model.classes
            probabilities = { try model.probabilities($0) }
        } else {
            let model = try TrainedModel(
                run: run, averaged: averaged, device: placement.name, threads: threading.count)
            classes = model.classes
            probabilities = model.probabilities
        }
        var failures = 0
        for start in stride(from: 0, to: images.count, by: 64) {
            // One that cannot be read is told, and does not stop the others.
            let batch = images[start..<min(start + 64, images.count)].compactMap {
                path -> (path: String, image: RGBImage)? in
                do {
                    return (path, try ImageFile.decode(path) { printError("warning: \($0)") })
                } catch {
                    printError("error: \(error)")
                    failures += 1
                    return nil
                }
            }
            for ((path, _), row) in zip(batch, try probabilities(batch.map(\.image))) {
                let best = row.indices.sorted { row[$0] > row[$1] }.prefix(top)
                if json {
                    let found = best.map { index -> JSONValue in
                        .object(["class": .string(classes[index]), "probability": .double(row[index])])
                    }
                    print(JSONValue.object(["image": .string(path), "predictions": .array(found)]).text)
                } else {
                    let text = best.map { "\(classes[$0]) \(ResultText.percent(row[$0]))" }
                    print("\(path): \(text.joined(separator: ", "))")
                }
            }
        }
        if failures > 0 { throw ExitCode.failure }
    }
}
