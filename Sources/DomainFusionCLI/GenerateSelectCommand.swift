import ArgumentParser
import DomainFusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Torch

struct GenerateSelectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "select",
        abstract: "Keep some of the generated images, in a folder of their own for 'train --generated'.",
        discussion: """
            Dropped are, in this order: images with the pixels of an earlier one; those nearer to their source image than \
            --min-change; those that the judge gets wrong (--correct) or is too unsure of (--min-confidence); and of each class and \
            pair of domains all but --keep or --share, by default those that the judge is surest of (FDS, arXiv 2407.03588).

            The judge is a finished run. A run takes the selection only if the judge held out all that it holds out itself.

            Examples:
              domainfusion train --data data/PACS --test-domain sketch --run-dir runs/erm
              domainfusion generate select generated/fds --judge runs/erm --correct --keep 570 --output generated/hard
              domainfusion generate select generated/cdga --min-change 0.02 --data data/PACS --output generated/changed
            """)

    @Argument(help: "The folder of generated images.", completion: .directory)
    var folder: String

    @Option(name: .shortAndLong, help: "The folder of those that are kept.", completion: .directory)
    var output: String

    @Option(help: "The folder of a finished run, whose classifier judges the images.", completion: .directory)
    var judge: String?

    @Flag(help: "Keep what the judge classifies rightly.")
    var correct = false

    @Option(help: "The least probability that the judge gives an image's class.")
    var minConfidence = SelectionSettings().confidence

    @Option(
        help: "The least difference from the source image: the mean over pixels and channels, 0 to 1; needs --data.")
    var minChange = SelectionSettings().change

    @Option(help: "Images that are kept of each class and pair of domains at most; 0 for all.")
    var keep = SelectionSettings().keep

    @Option(help: "Share that is kept of each class and pair of domains, above 0 and at most 1.")
    var share = SelectionSettings().share

    @Option(help: "What is kept first: entropy, what the judge is least sure of; or random, the control.")
    var order = SelectionSettings().order

    @Option(help: "Seeds --order random.")
    var seed = SelectionSettings().seed

    @Option(help: "The data set that the images were made of, for --min-change.", completion: .directory)
    var data: String?

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    func run() async throws {
        Machine.threads = threading.count
        var settings = SelectionSettings()
        (settings.correct, settings.confidence, settings.change) = (correct, minConfidence, minChange)
        (settings.keep, settings.share, settings.order, settings.seed) = (keep, share, order, seed)
        try settings.validate(path: "select")
        let images = try GeneratedImages(folder)
        let judge = try judge.map {
            try GeneratedJudge(run: $0, device: placement.name, threads: threading.count)
        }
        Interruption.watch()
        let selection = try GeneratedSelection(
            settings, of: images, judge: judge, data: data.map { KnownDataset.locate($0) }, folder: output)
        let progress = Progress("judge", unit: "images")
        let report = try resumable(output, progress) {
            try selection.run { done, all in progress.show(done, of: all) }
        }
        let dropped = [
            (report.copies, "copies"), (report.unchanged, "too near their source"), (report.wrong, "judged wrongly"),
            (report.unsure, "too unsure"), (report.surplus, "beyond the number of their class and domains"),
        ]
        let reasons = dropped.filter { $0.0 > 0 }.map { "\($0) \($1)" }.joined(separator: ", ")
        print(
            "\(plainText(output)): \(report.kept) of \(report.images) images kept"
                + (reasons.isEmpty ? "" : "; dropped: \(reasons)"))
    }
}

extension SelectionSettings.Order: ExpressibleByArgument {}
