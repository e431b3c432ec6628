import ArgumentParser
import DomainFusion
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

            With --shift-inversion or --edit images are moved towards the source domains first, as 'eval' does:

              domainfusion predict cat.jpg --run runs/erm --edit --ldm SD --style photo="a photograph" --style art="a painting"
            """)

    @Argument(help: "Image files: JPEG, PNG, WebP or BMP.", completion: .images)
    var images: [String]

    @Option(help: "The run's folder.", completion: .directory)
    var run: String

    @Option(help: "How many classes to show, the most probable first.")
    var top = 3

    @OptionGroup var translation: TranslationOptions

    @OptionGroup var threading: ThreadsOption

    @OptionGroup var placement: DeviceOption

    @Flag(help: "Take the averaged model of a run with --average.")
    var averaged = false

    @Flag(help: "Print one JSON object for each image.")
    var json = false

    func validate() throws {
        try check("--top", top, in: 1...largestCount)
        guard translation.record == nil else { throw ValidationError("--record goes with 'eval'") }
    }

    func run() async throws {
        let classes: [String]
        let probabilities: ([RGBImage]) throws -> [[Double]]
        var ledger = Ledger()
        if translation.method != nil {
            let model = try translation.evaluation(
                of: run, averaged: averaged, device: placement.name, threads: threading.count)
            classes = model.classes
            probabilities = { try model.probabilities(of: $0, ledger: &ledger) }
        } else {
            var model = try RunPredictor(
                run: run, averaged: averaged, device: placement.name, threads: threading.count)
            classes = model.classes
            probabilities = { try model.probabilities($0) }
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
                if json {
                    let found = RunPredictor.json(row, of: classes, top: top)
                    print(JSONValue.object(["image": .string(path), "predictions": found]).text)
                } else {
                    let text = RunPredictor.best(row, top).map { "\(classes[$0]) \(ResultText.percent(row[$0]))" }
                    print("\(path): \(text.joined(separator: ", "))")
                }
            }
        }
        if translation.method != nil { printError(EvalCommand.ledgerLine(ledger)) }
        if failures > 0 { throw ExitCode.failure }
    }
}
