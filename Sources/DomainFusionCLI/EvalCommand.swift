import ArgumentParser
import DomainFusion
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

            With --shift-inversion or --edit the test images are moved towards the source domains first, by diffusion models; the \
            logits of an image and its translations are averaged, with as little noise as makes the prediction sure. Held-out \
            domains are evaluated, and the sources' validation images. --record is a run's folder for 'compare' and 'report', with \
            ledger.json: what the models were asked for. The same command goes on after any interruption.

              domainfusion ldm finetune --ldm SD --data PACS --domain photo --prompt "" --learning-rate 1e-4 \\
                --ema-decay 0.9999 --output ldm/photo
              domainfusion eval runs/erm --shift-inversion --source-ldm photo=ldm/photo --source-ldm cartoon=ldm/cartoon
              domainfusion eval runs/erm --edit --ldm SD --style photo="a photograph" --style cartoon="a cartoon"
            """)

    @Argument(help: "The run's folder; several are combined into one model.", completion: .directory)
    var runs: [String]

    @Option(
        help: ArgumentHelp(
            "How several runs are combined: ensemble (their probabilities), average (their parameters) or greedy (the "
                + "parameters of those that help on the source domains' validation items)."))
    var combine = RunCombination.Method.ensemble

    @Option(help: "Write the combined parameters here, as safetensors.", completion: .file(extensions: ["safetensors"]))
    var output: String?

    @Option(
        help:
            "Another data set with the same classes, or the folder that the run's own lies in now; by default where it was.",
        completion: .directory)
    var data: String?

    @OptionGroup var translation: TranslationOptions

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
        guard translation.method == nil || runs.count == 1 else {
            throw ValidationError("\(translation.flag): takes one run; name one")
        }
    }

    func run() async throws {
        // What is wrong with the data is told before the weights are read.
        let given = try data.map { try ImageFolder(KnownDataset.locate($0)) }
        if translation.method != nil {
            try translate(runs[0], given)
        } else if runs.count == 1, GenerativeModel.isRun(runs[0]) {
            try classify(runs[0], given)
        } else if runs.count == 1 {
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

    private func translate(_ run: String, _ given: ImageFolder?) throws {
        let evaluation = try translation.evaluation(
            of: run, averaged: averaged, device: placement.name, threads: threading.count)
        Interruption.watch()
        let progress = Progress("translating", unit: "images")
        let folder = translation.folder(of: run)
        let (result, ledger): (TranslatedEvaluation.Result, Ledger)
        do {
            (result, ledger) = try evaluation.evaluate(
                on: given, folder: folder, threads: threading.count, warn: warn,
                report: { progress.show($0, of: $1, note: $2) })
        } catch let interruption as Interruption {
            progress.clear()
            printError("\(interruption): what was done is in the store; the same command goes on from there")
            throw ExitCode(interruption.exitStatus)
        }
        progress.clear()
        if json {
            print(
                JSONValue.object([
                    "result": try JSONValue(encoding: result), "ledger": try JSONValue(encoding: ledger),
                ]).text)
            return
        }
        for line in Self.lines(result, evaluation.settings) { print(line) }
        print(Self.ledgerLine(ledger))
        print("\(folder): recorded")
    }

    /// By a run without a network: the diffusion model is asked about every image.
    private func classify(_ run: String, _ given: ImageFolder?) throws {
        var model = try GenerativeModel(run: run, device: placement.name, threads: threading.count)
        Interruption.watch()
        let progress = Progress("classifying", unit: "images")
        try show(run, model.configuration, nil, given) { dataset in
            defer { progress.clear() }
            return try model.scores(
                on: dataset, threads: threading.count, warn: warn, report: { progress.show($0, of: $1) })
        }
        printError(Self.ledgerLine(model.ledger))
    }

    private static func lines(_ result: TranslatedEvaluation.Result, _ settings: TranslationSettings) -> [String] {
        var lines = ["threshold \(result.threshold)"]
        if !result.validation.isEmpty {
            let all = zip(settings.thresholds, result.validation).map { "\($0): \(ResultText.percent($1))" }
            lines[0] += ", the best on the source domains' validation images (\(all.joined(separator: ", ")))"
        }
        lines += result.domains.map { domain in
            let levels = zip(settings.noise, domain.accepted).filter { $0.1 > 0 }.map { noise, count in
                "\(count) \(noise == 0 ? "as they are" : "at noise \(noise)")"
            }
            let rest = domain.score.count - domain.accepted.reduce(0, +)
            return
                "\(domain.name): \(ResultText.percent(domain.score.accuracy)) of \(domain.score.count) images, "
                + "\(ResultText.percent(domain.clean.accuracy)) without translation\(domain.isHeldOut ? ", held out" : ""); "
                + "sure: \((levels + ["\(rest) never"]).joined(separator: ", "))"
        }
        return lines
    }

    /// What evaluation asked of diffusion models.
    static func ledgerLine(_ ledger: Ledger) -> String {
        let images =
            ledger.generatedUsed == 0 ? "" : "\(ledger.generatedUsed) images (\(ledger.generatedMade) made here), "
        let seconds = Progress.duration(ledger.seconds.values.reduce(0, +))
        return
            "diffusion model: \(images)\(ledger.unetEvaluations) U-Net evaluations, \(ledger.vaePasses) autoencoder passes, "
            + seconds
    }

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
