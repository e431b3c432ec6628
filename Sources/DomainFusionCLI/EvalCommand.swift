import ArgumentParser
import DomainGeneralization
import Experiments
import Foundation
import Foundations

struct EvalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Evaluate a run's classifier on every domain of a data set.",
        discussion: """
            The checkpoint is the one that training-domain validation chose; the newest while the run goes on. Images \
            that the run was trained on are evaluated, too: only its held-out domain, or another data set with the same \
            classes, tells how it does on what it has not seen.

            Examples:
              domainfusion eval runs/erm
              domainfusion eval runs/erm --data data/MyPhotos --json
              domainfusion eval runs/erm-0 runs/erm-1 runs/erm-2 --combine average
            """)

    @Argument(help: "The run's folder; several are combined into one model.")
    var runs: [String]

    @Option(
        help: ArgumentHelp(
            "How several runs are combined: ensemble (their probabilities), average (their parameters) or greedy (the "
                + "parameters of those that help on the source domains' validation items)."))
    var combine = RunCombination.Method.ensemble

    @Option(help: "Write the combined parameters here, as safetensors.")
    var output: String?

    @Option(
        help:
            "Another data set with the same classes, or the folder that the run's own lies in now; by default where it was."
    )
    var data: String?

    @OptionGroup var threading: ThreadsOption

    @OptionGroup var placement: DeviceOption

    @Flag(help: "Take the averaged model of a run with --average.")
    var averaged = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard output == nil || runs.count > 1 else {
            throw ValidationError("--output: one run alone has its parameters in its folder; name two or more")
        }
    }

    func run() async throws {
        // What is wrong with the data is told before the weights are read.
        let given = try data.map { try ImageFolder(KnownDataset.locate($0)) }
        if runs.count == 1 {
            let model = try TrainedModel(
                run: runs[0], averaged: averaged, device: placement.name, threads: threading.count)
            let title = averaged ? "averaged model of \(runs[0])" : "step \(model.step) of \(runs[0])"
            try show(title, model.configuration, model.frozenFeatures, given) {
                try model.scores(on: $0, threads: threading.count, warn: warn)
            }
        } else {
            let model = try RunCombination(
                runs, method: combine, averaged: averaged, data: data.map { KnownDataset.locate($0) },
                device: placement.name,
                threads: threading.count, warn: warn)
            if let output { try model.write(safetensors: output) }
            try show(
                "\(combine.rawValue) of \(model.runs.joined(separator: ", "))", model.configuration,
                model.frozenFeatures, given
            ) {
                try model.scores(on: $0, threads: threading.count, warn: warn)
            }
        }
    }

    /// What the features of the evaluated images took.
    static func priceLine(_ price: FeaturePrice, images: Int) -> String {
        guard price.images > 0 else { return "features: all \(images) images' in the store" }
        let each = String(format: "%.1f", 1000 * price.seconds / Double(price.images))
        return "features: \(price.images) images asked about, \(each) ms each; "
            + "\(max(0, images - price.images)) from the store"
    }

    private func warn(_ text: String) { printError("warning: \(text)") }

    private func show(
        _ title: String, _ configuration: RunConfiguration, _ features: (any FrozenFeatures)?, _ given: ImageFolder?,
        scores: (ImageFolder) throws -> [Score]
    ) throws {
        let dataset = try given ?? configuration.dataset()
        let scores = try scores(dataset)
        if let features { printError(Self.priceLine(features.price, images: dataset.items.count)) }
        if json {
            let members = zip(dataset.environments, scores).map { ($0, $1) }
            print(try JSONValue(encoding: Dictionary(uniqueKeysWithValues: members)).text)
            return
        }
        print(title)
        for (name, score) in zip(dataset.environments, scores) {
            let isHeldOut = configuration.testDomains.contains(name) && data == nil
            let held = isHeldOut ? configuration.oracle ? ", trained on, too (oracle)" : ", held out" : ""
            print(
                "\(name): \(ResultText.percent(score.accuracy)) of \(score.count) images, by class "
                    + "\(ResultText.percent(score.meanClassAccuracy))\(held)")
        }
    }
}

extension RunCombination.Method: ExpressibleByArgument {}
