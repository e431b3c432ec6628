import DomainFusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations

/// The parts of a run's page, read from its folder. Those that change while it trains have ids.
struct RunParts {
    private let run: RunEntry
    private let history: RunHistory
    private let directory: RunDirectory?

    init(_ run: RunEntry, _ history: RunHistory) {
        (self.run, self.history) = (run, history)
        directory = try? RunDirectory(existing: run.folder)
    }

    /// The parts that change, in the order of the page, with their titles.
    static let sections: [(id: String, title: String)] = [
        ("state", ""), ("results", "Results"), ("plots", "Over training"), ("log", "Log"), ("cost", "Cost"),
        ("gallery", "Synthetic images"),
    ]

    /// Some of the parts that change, by id.
    func live(_ ids: [String] = sections.map(\.id)) -> [String: String] {
        Dictionary(uniqueKeysWithValues: ids.map { ($0, Markup.group(part($0)).html) })
    }

    /// A part by its id.
    func part(_ id: String) -> [Markup] {
        switch id {
        case "state": state
        case "results": results
        case "plots": plots
        case "log": log
        case "cost": cost
        default: gallery
        }
    }

    private static func soft(_ text: String) -> Markup { .tag("p", [("class", "soft")], text) }

    private static func list(_ pairs: [(String, Markup)]) -> Markup {
        .tag("dl", [], pairs.flatMap { [.tag("dt", [], $0.0), .tag("dd", [], [$0.1])] })
    }

    private var state: [Markup] {
        let step = max(run.step, history.step)
        var pairs = [
            ("state", StudioText.state(run.state)), ("step", Markup.text("\(step) of \(run.steps)")),
        ]
        if run.state == .training {
            let left = history.secondsPerStep.map { $0 * Double(max(0, run.steps - step)) }
            pairs.append(("left", .text(left.map { "about \(StudioText.duration($0))" } ?? "not known yet")))
        } else {
            pairs.append(("last news", StudioText.time(run.changed)))
        }
        if run.state == .failed, let why = FileTail.lines("\(run.folder)/failed")?.last {
            pairs.append(("reason", .text(plainText(String(why.prefix(1000))))))
        }
        if run.state == .stopped {
            pairs.append(("to go on", .text("the command that began it goes on from the last checkpoint")))
        }
        return [Self.list(pairs)]
    }

    private var results: [Markup] {
        guard run.state == .done else {
            return [Self.soft("Results come at the end; accuracies so far are among the plots.")]
        }
        do {
            guard let summary = try directory?.summary() else { return [] }
            var rows: [[Markup]] = []
            func add(_ name: String, _ result: RunSummary.Result) {
                for domain in summary.testDomains {
                    guard let target = result.targets[domain] else { continue }
                    rows.append(
                        [.rowHead("\(name), step \(result.step)"), .cell(plainText(domain))]
                            + [target.accuracy, target.meanClassAccuracy, target.unseenItems, result.sourceValidation]
                            .map { .cell(StudioText.percent($0)) })
                }
            }
            add("chosen by source validation", summary.selected)
            if summary.last.step != summary.selected.step { add("last", summary.last) }
            if let averaged = summary.averaged { add("averaged", averaged) }
            return [
                .table(
                    "Accuracy of the run's models",
                    head: ["model", "unseen domain", "accuracy", "by class", "unseen items", "source validation"],
                    rows: rows)
            ]
        } catch { return [.tag("p", [("class", "problem")], plainText("\(error)"))] }
    }

    /// Points that a plot shows of a line at most.
    private static let points = 160

    private var plots: [Markup] {
        var found: [Plot] = []
        let losses = history.losses.sorted { $0.key < $1.key }.filter { $0.value.count > 1 }.map {
            Plot.Series(label: plainText($0.key), points: RunHistory.thinned($0.value, to: Self.points))
        }
        if !losses.isEmpty {
            found.append(.lines(title: "Loss after each step", x: "step", y: "loss", losses))
        }
        let accuracies = self.accuracies
        if !accuracies.isEmpty {
            found.append(.lines(title: "Accuracy at each evaluation", x: "step", y: "%", accuracies))
        }
        guard !found.isEmpty else { return [Self.soft("There is nothing to plot yet.")] }
        return found.map { plot in
            .tag("figure", [], [.wide(plot.title, plot.markup), .tag("figcaption", [], "\(plot.title).")])
        }
    }

    /// By evaluation: of the source domains' validation images, and of each held-out domain.
    private var accuracies: [Plot.Series] {
        let rows = (try? directory?.rows()) ?? []
        guard let arguments = rows.last?.values["args"] else { return [] }
        let domains = arguments["domains"]?.array?.compactMap(\.string) ?? []
        let held = arguments["test_envs"]?.array?.compactMap(\.int) ?? []
        let sources = domains.indices.filter { !held.contains($0) }
        func points(_ value: (CheckpointRow) -> Double?) -> [(x: Double, y: Double)] {
            let all = rows.compactMap { row -> RunHistory.Point? in
                guard let share = value(row), (0...1).contains(share), row.step >= 0 else { return nil }
                return RunHistory.Point(step: row.step, value: 100 * share)
            }
            return RunHistory.thinned(all, to: Self.points)
        }
        let mean = Plot.Series(
            label: "source validation", points: points { $0.mean(sources, CheckpointRow.validationAccuracy) })
        let targets = held.filter(domains.indices.contains).map { environment in
            Plot.Series(
                label: "\(plainText(domains[environment])) (unseen)",
                points: points { $0.trainingAccuracy(environment) })
        }
        return ([mean] + targets).filter { !$0.points.isEmpty }
    }

    private var log: [Markup] {
        guard let lines = FileTail.lines("\(run.folder)/log.txt"), !lines.isEmpty else {
            return [Self.soft("There is no log.txt in the folder; sweeps write one.")]
        }
        let shown = lines.suffix(20).map { plainText(String($0.prefix(500))) }
        return [
            .tag(
                "pre", [("class", "wide"), ("tabindex", "0"), ("aria-label", "last lines of log.txt")],
                shown.joined(separator: "\n"))
        ]
    }

    private var cost: [Markup] {
        do {
            guard Files.exists("\(run.folder)/ledger.json") else {
                return [Self.soft("No diffusion model was asked.")]
            }
            let ledger = try Ledger(path: "\(run.folder)/ledger.json")
            let seconds = ledger.seconds.sorted { $0.key < $1.key }.map {
                (
                    "\(plainText(String($0.key.prefix(60)))), seconds",
                    Markup.text(String(format: "%.1f", $0.value))
                )
            }
            return [
                Self.list(
                    [
                        ("rounds of augmentation", .text("\(ledger.rounds)")),
                        (
                            "images generated",
                            .text("\(ledger.generatedUsed), \(ledger.generatedFromStore) of them from the store")
                        ),
                        (
                            "images composed",
                            .text("\(ledger.composedUsed), \(ledger.composedFromStore) of them from the store")
                        ), ("U-Net passes", .text("\(ledger.unetEvaluations)")),
                        ("VAE passes", .text("\(ledger.vaePasses)")),
                        ("disk", .text(String(format: "%.1f MB", Double(ledger.bytes) / 1e6))),
                    ] + seconds + (ledger.before.map { [("before the run", .text(Self.text($0)))] } ?? []))
            ]
        } catch { return [.tag("p", [("class", "problem")], plainText("\(error)"))] }
    }

    private static func text(_ before: PriorWork) -> String {
        "\(before.images) images generated, \(before.unetEvaluations) U-Net passes, \(before.fineTuningSteps) steps of fine-tuning, "
            + String(format: "%.1f s", before.seconds + before.fineTuningSeconds)
    }

    private static let galleryRows = 5

    private var gallery: [Markup] {
        guard let directory, let gallery = SyntheticGallery(run: directory, rows: Self.galleryRows) else {
            return [Self.soft("This run has none.")]
        }
        return [gallery.markup]
    }

    /// What the run is.
    var configuration: [Markup] {
        let text = FileTail.lines("\(run.folder)/config.yaml")?.map { plainText($0) }.joined(separator: "\n") ?? ""
        return [
            Self.list([
                ("method", .text(plainText(run.method))), ("data set", .text(plainText(run.dataset))),
                ("held out", .text(plainText(run.heldOut.joined(separator: ", ")))),
                ("folder", .text(plainText(run.folder))),
            ]),
            .tag(
                "details", [],
                [
                    .tag("summary", [], "All settings (config.yaml)"),
                    .tag("pre", [("tabindex", "0"), ("aria-label", "config.yaml")], text),
                ]),
        ]
    }
}
