import ArgumentParser
import DomainGeneralization
import DomainFusion
import Experiments
import Foundation
import Foundations
import Logging
import Torch

struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a classifier on all domains but the held-out ones, and evaluate it on those.",
        discussion: """
            Settings come from the preset, then the --config file, then the options, then --set. The run's folder keeps \
            everything: config.yaml, results.jsonl, TensorBoard events, checkpoints, summary.json. A run that was \
            killed goes on from its last checkpoint with the same command, to the same numbers.

            Examples:
              domainfusion train --data data/EmojiDG --test-domain unifont
              domainfusion train --data data/EmojiDG --test-domain symbola --algorithm FourierMix \\
                --set algorithm.hyperparameters.strength=0.5 --seed 1 --run-dir runs/mix
              domainfusion train --preset domainbed-2020 --data PACS --test-domain sketch
              domainfusion train --data PACS --test-domain art_painting,cartoon,sketch     (one source domain: photo)
              domainfusion train --data PACS --test-domain sketch --algorithm DomainFusion --ldm stabilityai/sd-turbo
              domainfusion train --config runs/mix/config.yaml --seed 2 --run-dir runs/mix-2
            """)

    @OptionGroup var options: TrainOptions

    @Option(help: "The run's folder; by default runs/<algorithm>-<domain>-seed<seed>.", completion: .directory)
    var runDir: String?

    @OptionGroup var tracking: TrackingOption

    @OptionGroup var threading: ThreadsOption

    @Flag(help: "Forget an earlier run in the folder and begin again.")
    var restart = false

    func run() async throws {
        let processes = try TrainingProcesses()
        var configuration = try options.configuration()
        configuration.device = processes.device(configuration.device)
        let folder = runDir ?? Self.defaultFolder(configuration)
        let tracker = try tracking.address()
        Interruption.watch()
        try ParentProcess.follow()
        // What is wrong with the data is told before a model is looked for or fetched.
        try configuration.checkData()
        try configuration.requireModel()
        try ModelDownload.fetchIfMissing(for: configuration)
        let loading = Progress("reading images", unit: "images")
        let isGenerative = GenerativeRun.isAsked(by: configuration)
        let training = isGenerative ? Progress("classifying", unit: "images") : Progress("step", unit: "steps")
        LoggingSystem.bootstrap { _ in LineLog(progress: training) }
        let speaks = processes.speaks
        let report: @Sendable (RunEvent) -> Void = { event in
            guard speaks else { return }
            switch event {
            case .loading(let done, let total): loading.show(done, of: total)
            case .warning(let text): loading.print("warning: \(text)")
            case .resumed(let step): loading.print("\(folder): goes on after step \(step)")
            case .step(let done, let total, let metrics):
                loading.clear()
                let loss = metrics.first { $0.name == "loss" }
                training.show(done, of: total, note: loss.map { String(format: "loss %.3f", $0.value) } ?? "")
            case .evaluating(let step): training.print("step \(step): evaluating")
            case .evaluated: break
            }
        }
        let summary: RunSummary
        var joined: (group: ProcessGroup, heartbeat: Heartbeat)?
        var ledger: Ledger?
        var sender: RunTracking?
        let threads = threading.count
        defer { sender?.finish() }
        func track() {
            guard speaks else { return }
            sender = tracker.map { RunTracking(folder: folder, address: $0) { training.print("warning: \($0)") } }
        }
        do {
            joined = try processes.join()
            if isGenerative {
                if let place = processes.place {
                    throw UserError(
                        "\(configuration.algorithm.name) is not trained by gradients, and \(place.size) processes cannot share "
                            + "it; start one")
                }
                let run = try GenerativeRun(
                    configuration, folder: folder, threads: threads, restart: restart, report: report)
                loading.clear()
                printError("\(run.configuration.algorithm.name), run in \(folder)")
                (summary, ledger) = try run.run(report: report)
                track()
            } else {
                let run = try TrainingRun(
                    configuration, folder: folder, registry: .all, threads: threads, restart: restart,
                    group: joined?.group, report: report)
                loading.clear()
                if speaks {
                    let others = processes.place.map { ", \($0.size) processes" } ?? ""
                    printError(
                        "\(run.configuration.algorithm.name), \(Self.describe(run.context))\(others), run in \(folder)")
                }
                track()
                summary = try run.run()
            }
            joined?.heartbeat.stop()
        } catch let interruption as Interruption {
            loading.clear()
            training.clear()
            joined?.heartbeat.stop()
            guard speaks else { throw ExitCode(interruption.exitStatus) }
            printError("\(interruption): state saved in \(folder); the same command goes on from there")
            throw ExitCode(interruption.exitStatus)
        }
        training.clear()
        guard speaks else { return }
        printText(ResultText.table(summary))
        if let ledger { print(EvalCommand.ledgerLine(ledger)) }
        print("\(folder): done")
    }

    private static func defaultFolder(_ configuration: RunConfiguration) -> String {
        let parts = [configuration.algorithm.name, configuration.testDomains.joined(separator: "+")]
        return "runs/\(parts.joined(separator: "-"))-seed\(configuration.seed)\(configuration.oracle ? "-oracle" : "")"
    }

    private static func describe(_ context: AlgorithmContext) -> String {
        let sources = context.sourceEnvironments.map { context.dataset.environments[$0] }.joined(separator: ", ")
        let targets = context.testEnvironments.map { context.dataset.environments[$0] }.joined(separator: ", ")
        return "\(context.trainingItems.count) training images of \(sources); held out: \(targets)"
    }
}

/// A run's result as text.
enum ResultText {
    static func table(_ summary: RunSummary) -> String {
        var lines: [String] = []
        for domain in summary.testDomains {
            guard let target = summary.selected.targets[domain] else { continue }
            let kind = summary.oracle ? "oracle on \(domain), its validation part" : "unseen domain \(domain)"
            lines.append("\(kind): accuracy \(percent(target.accuracy)), by class \(percent(target.meanClassAccuracy))")
            if let unseen = target.unseenItems { lines.append("  its unseen items: \(percent(unseen))") }
            if let last = summary.last.targets[domain], summary.last.step != summary.selected.step {
                lines.append("  at the last step \(summary.last.step): \(percent(last.accuracy))")
            }
        }
        if let averaged = summary.averaged {
            for (domain, target) in averaged.targets.sorted(by: { $0.key < $1.key }) {
                lines.append("averaged model on \(domain): accuracy \(percent(target.accuracy))")
            }
        }
        lines.append(
            "source domains, validation: \(percent(summary.selected.sourceValidation)) "
                + "(step \(summary.selected.step), chosen by it)")
        if let unseen = summary.selected.sourceUnseenItems { lines.append("  their unseen items: \(percent(unseen))") }
        if !summary.secondsByWork.isEmpty { lines.append(times(summary)) }
        return lines.map { plainText($0) }.joined(separator: "\n")
    }

    private static func times(_ summary: RunSummary) -> String {
        let parts = summary.secondsByWork.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { name, value in
            "\(name.replacingOccurrences(of: "_", with: " ")) \(Progress.duration(value))"
        }
        return "time: \(parts.joined(separator: ", "))"
    }

    static func percent(_ share: Double?) -> String {
        share.map { String(format: "%.1f %%", $0 * 100) } ?? "none"
    }
}
