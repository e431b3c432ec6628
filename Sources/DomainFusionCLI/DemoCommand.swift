import ArgumentParser
import Diffusion
import DomainGeneralization
import EmojiDG
import Experiments
import Foundation
import Foundations
import Logging

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Compare ERM and DomainFusion on EmojiDG, one domain held out.",
        discussion: """
            Prepares the data where it is missing, trains both on the same images and steps, and prints how well each
            does on the domain that neither has seen. A demo that was stopped goes on with the same command.

              domainfusion demo --test-domain symbola --run-dir runs/demo-symbola
            """)

    @Option(
        help: "The domain to hold out: emojione, noto, openmoji, symbola or unifont.",
        completion: .list(Vendor.benchmark.map(\.rawValue)))
    var testDomain = "unifont"

    @Option(help: "Optimisation steps of each method.")
    var steps = Demo().steps

    @Option(help: "Seeds the split, the parameters and every draw.")
    var seed = 0

    @Option(help: "Folder of both runs, summary.json, gallery.png and \(Demo.page).", completion: .directory)
    var runDir = "runs/demo"

    @OptionGroup var model: LDMOption

    @OptionGroup var storing: StoreOption

    @Option(help: "Folder that the data set EmojiDG lies in.", completion: .directory)
    var data = "data"

    @OptionGroup var threading: ThreadsOption

    func run() async throws {
        let domains = Vendor.benchmark.map(\.rawValue)
        guard domains.contains(testDomain) else {
            throw UserError(
                "--test-domain: EmojiDG has no domain '\(testDomain)'" + suggestion(for: testDomain, among: domains))
        }
        var demo = Demo()
        demo.target = testDomain
        demo.steps = steps
        demo.seed = seed
        demo.folder = runDir
        demo.ldm = model.name
        demo.ldmVAE = model.ldmVae ?? ""
        demo.ldmDtype = model.ldmDtype
        demo.store = storing.folder
        demo.data = "\(data)/EmojiDG"
        Interruption.watch()
        try ModelDownload.fetchIfMissing(model.name, precision: model.ldmDtype)
        let training = Progress("step", unit: "steps")
        LoggingSystem.bootstrap { _ in LineLog(progress: training) }
        let summary: Demo.Summary
        do {
            summary = try await demo.run(threads: threading.count) { name, event in
                switch event {
                case .warning(let text): training.print("\(name): \(text)")
                case .resumed(let step): training.print("\(name): goes on after step \(step)")
                case .step(let done, let total, _): training.show(done, of: total, note: name)
                case .evaluated(let row): training.print("\(name): step \(row.step) evaluated")
                case .loading, .evaluating: break
                }
            }
        } catch let interruption as Interruption {
            training.clear()
            printError("\(interruption): state saved in \(runDir); the same command goes on from there")
            throw ExitCode(interruption.exitStatus)
        }
        training.clear()
        printText(Self.table(summary))
        print("\(runDir): both runs, summary.json, gallery.png")
        print("open \(runDir)/\(Demo.page) in a browser: results, plots, images and features of both")
    }

    private static func table(_ summary: Demo.Summary) -> String {
        var lines = ["Unseen domain \(summary.target), \(summary.steps) steps, seed \(summary.seeds[0])", ""]
        lines.append("method         unseen domain   unseen items   source validation   LDM images   time")
        for (key, title) in [("erm", "ERM"), ("domainfusion", "DomainFusion")] {
            guard let run = summary.runs[key] else { continue }
            let cells = [
                title.padding(toLength: 15, withPad: " ", startingAt: 0),
                ResultText.percent(run.unseenDomain).padding(toLength: 16, withPad: " ", startingAt: 0),
                ResultText.percent(run.unseenItems).padding(toLength: 15, withPad: " ", startingAt: 0),
                ResultText.percent(run.sourceValidation).padding(toLength: 20, withPad: " ", startingAt: 0),
                String(run.imagesGenerated).padding(toLength: 13, withPad: " ", startingAt: 0),
                Progress.duration(run.seconds),
            ]
            lines.append(cells.joined())
        }
        if let shares = summary.runs["domainfusion"]?.timeShares {
            let parts = [
                ("classifier", "classifier"), ("LD curves", "curves"), ("distillation", "distillation"),
                ("generation", "generation"),
            ]
            let text = parts.map { "\($0) \(ResultText.percent(shares[$1]))" }
            lines.append("")
            lines.append("DomainFusion's training time: \(text.joined(separator: ", "))")
        }
        return lines.joined(separator: "\n")
    }
}
