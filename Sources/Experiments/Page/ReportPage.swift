import DomainGeneralization
import Foundation
import Foundations
import Pixels

/// The report of runs as one page: a file without scripts or requests, light and dark, for screens and paper.
public struct ReportPage {
    private let title: String
    private let runs: [FinishedRun]
    private let tables: ResultReport
    private let comparison: RunComparison?
    private let costs: [MethodCost]
    private let curves: [String: [Plot.Series]]
    private let answers: [Answers]
    private let galleries: [SyntheticGallery]
    private let maps: [FeatureMap]
    /// The plots by the names of their files, in the order of the page.
    private var plots: [(name: String, plot: Plot)] = []

    /// What the models of a method say of a held-out domain, or of the source domains' validation images.
    struct Answers {
        let method: String
        let target: String
        let held: Counts
        let validation: Counts
    }

    /// How often each class was taken for which, and how surely.
    struct Counts {
        private(set) var pairs: [String: [String: Int]] = [:]
        private(set) var calibration = Calibration()

        mutating func add(_ answer: PredictedImage) {
            pairs[answer.label, default: [:]][answer.predicted, default: 0] += 1
            if let confidence = answer.confidence {
                calibration.add(confidence: confidence, isRight: answer.isRight)
            }
        }

        var classes: [String] { Set(pairs.keys).union(pairs.values.flatMap(\.keys)).sorted() }

        func share(_ label: String, _ predicted: String) -> Double? {
            guard let row = pairs[label] else { return nil }
            return Double(row[predicted] ?? 0) / Double(row.values.reduce(0, +))
        }
    }

    /// An image that many models get wrong.
    private struct HardImage {
        let image: String
        let data: String
        let label: String
        /// What it is taken for most often.
        let predicted: String
        let wrong: Int
        let models: Int
        let loss: Double
    }

    private let hard: [(domain: String, images: [HardImage])]

    /// Reads finished runs.
    /// - Parameters:
    ///   - folders: those of runs, or of sweeps.
    ///   - baseline: the method that gains are measured against; where no run of it has ended, there are no gains.
    ///   - maps: folders of runs whose features are laid into a plane; their checkpoints and data sets must be there.
    ///   - threads: how many threads work on a map.
    /// - Throws: `UserError` for a folder without finished runs, or a file of a run that cannot be read.
    public init(
        folders: [String], baseline: String, maps: [String] = [], threads: Int = 1, warn: (String) -> Void
    ) throws {
        title = folders.map(FilePath.name(of:)).joined(separator: ", ")
        runs = try FinishedRun.all(in: folders)
        tables = try ResultReport(ResultRecord.read(folders: folders, nested: true, warn: warn))
        comparison =
            runs.contains { $0.method == baseline }
            ? try RunComparison(folders: folders, baseline: baseline, warn: warn) : nil
        costs = try MethodCost.all(in: folders)
        curves = try Self.curves(runs)
        var losses: [String: [String: (sum: Double, wrong: [String], label: String, count: Int, data: String)]] = [:]
        let groups = Dictionary(grouping: runs) { [$0.summary.testDomains.joined(separator: ", "), $0.method] }
        var answers: [Answers] = []
        for (key, group) in groups.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            var (held, validation) = (Counts(), Counts())
            for run in group {
                for answer in try PredictedImage.all(run: run.path) where !answer.isUnseen {
                    guard run.summary.testDomains.contains(answer.domain) else {
                        validation.add(answer)
                        continue
                    }
                    held.add(answer)
                    guard !run.summary.oracle else { continue }
                    var entry = losses[answer.domain]?[answer.image] ?? (0, [], answer.label, 0, run.data)
                    entry.sum += answer.loss
                    entry.count += 1
                    if !answer.isRight { entry.wrong.append(answer.predicted) }
                    losses[answer.domain, default: [:]][answer.image] = entry
                }
            }
            answers.append(Answers(method: key[1], target: key[0], held: held, validation: validation))
        }
        self.answers = answers
        hard = losses.sorted { $0.key < $1.key }.map { domain, images in
            let found = images.map { image, entry in
                let counts = Dictionary(entry.wrong.map { ($0, 1) }, uniquingKeysWith: +)
                let most = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }
                return HardImage(
                    image: image, data: entry.data, label: entry.label, predicted: most?.key ?? entry.label,
                    wrong: entry.wrong.count, models: entry.count, loss: entry.sum / Double(entry.count))
            }
            return (domain, Array(found.sorted { ($1.loss, $0.image) < ($0.loss, $1.image) }.prefix(Self.hardImages)))
        }
        var galleries: [SyntheticGallery] = []
        for run in runs where !galleries.contains(where: { $0.method == run.method }) {
            if let gallery = SyntheticGallery(run, rows: Self.galleryRows) { galleries.append(gallery) }
        }
        self.galleries = galleries
        self.maps = try maps.map { try FeatureMap(run: $0, threads: threads) }
        plots = gainPlots + curvePlots + classPlots + calibrationPlots + mapPlots
    }

    private static let hardImages = 18
    private static let galleryRows = 5

    /// Mean accuracy on the held-out domains over the runs of a method, by step.
    private static func curves(_ runs: [FinishedRun]) throws -> [String: [Plot.Series]] {
        let targets = Dictionary(grouping: runs) { $0.summary.testDomains.joined(separator: ", ") }
        return try targets.mapValues { runs in
            let methods = Dictionary(grouping: runs, by: \.method).sorted { $0.key < $1.key }
            return try methods.compactMap { method, runs in
                var byStep: [Int: [Double]] = [:]
                for run in runs {
                    for record in try ResultRecord.read("\(run.path)/results.jsonl", warn: { _ in }) {
                        let values = record.testEnvironments.compactMap(record.row.trainingAccuracy)
                        guard !values.isEmpty else { continue }
                        byStep[record.step, default: []].append(values.reduce(0, +) / Double(values.count))
                    }
                }
                let points = byStep.sorted { $0.key < $1.key }.map { step, values in
                    (x: Double(step), y: 100 * values.reduce(0, +) / Double(values.count))
                }
                return points.count > 1 ? Plot.Series(label: method, points: points) : nil
            }
        }.filter { !$0.value.isEmpty }
    }

    private var gainPlots: [(String, Plot)] {
        guard let comparison else { return [] }
        return (comparison.targets + (comparison.average.map { [$0] } ?? [])).compactMap { target in
            let rows = target.rows.compactMap { row in
                row.gain.map { Plot.Estimate(label: row.method, value: 100 * $0.value, margin: 100 * $0.margin) }
            }
            guard !rows.isEmpty else { return nil }
            return (
                "gain-\(target.domains)",
                .forest(
                    title: "Gain over \(comparison.baseline) on \(target.domains), with 95 % intervals",
                    unit: "gain over \(comparison.baseline), points of accuracy on \(target.domains)", rows)
            )
        }
    }

    private var curvePlots: [(String, Plot)] {
        curves.sorted { $0.key < $1.key }.map { target, series in
            (
                "steps-\(target)",
                .lines(
                    title: "Accuracy on \(target), never trained on, after each step", x: "step",
                    y: "% on \(target)", series)
            )
        }
    }

    private var classPlots: [(String, Plot)] {
        Dictionary(grouping: answers, by: \.target).sorted { $0.key < $1.key }.map { target, answers in
            let classes = Set(answers.flatMap(\.held.pairs.keys)).sorted()
            let series = answers.map { answer in
                (answer.method, classes.map { answer.held.share($0, $0).map { 100 * $0 } })
            }
            return (
                "classes-\(target)",
                .bars(title: "Percent of each class that is found on \(target)", groups: classes, series)
            )
        }
    }

    private var calibrationPlots: [(String, Plot)] {
        Dictionary(grouping: answers, by: \.target).sorted { $0.key < $1.key }.compactMap { target, answers in
            let series = answers.compactMap { answer in
                let points = answer.held.calibration.points
                return points.isEmpty ? nil : Plot.Series(label: answer.method, points: points)
            }
            guard !series.isEmpty else { return nil }
            return (
                "calibration-\(target)",
                .lines(
                    title: "How often predictions on \(target) are right, by how sure they are", x: "% sure",
                    y: "% right",
                    series, reference: .init(label: "as sure as right", points: [(0, 0), (100, 100)]))
            )
        }
    }

    private var mapPlots: [(String, Plot)] {
        maps.enumerated().flatMap { number, map in
            [("map-domains-\(number + 1)", map.byDomain), ("map-classes-\(number + 1)", map.byClass)]
        }
    }

    private var calibrationParts: [Markup] {
        let rows = answers.filter { $0.held.calibration.error != nil }.map { answer in
            [Markup.rowHead(answer.method), Markup.cell(answer.target)]
                + [answer.held, answer.validation].map {
                    Markup.cell($0.calibration.error.map { String(format: "%.1f", 100 * $0) } ?? "–")
                }
        }
        guard !rows.isEmpty else { return [] }
        return figures("calibration-", "Ten bins of all runs of a method together.") + [
            Markup.table(
                "Expected calibration error in points: by how much confidence and accuracy differ, ten bins",
                head: ["method", "held out", "on it", "on the source domains' validation images"], rows: rows)
        ]
    }

    /// Writes the page.
    /// - Throws: a one-line error when the file cannot be written.
    public func write(to path: String) throws { try AtomicFile.write(html, to: path) }

    /// Writes every plot as SVG and PNG into a folder.
    /// - Throws: a one-line error when a file cannot be written.
    public func writePlots(to folder: String) throws {
        try AtomicFile.makeFolder(folder)
        for (name, plot) in plots {
            let file = name.map { $0.isLetter || $0.isNumber ? String($0) : "-" }.joined()
            try AtomicFile.write(plot.file, to: "\(folder)/\(file).svg")
            let image = try SVGRenderer.render(
                svg: plot.file, width: Int(2 * plot.width), height: Int(2 * plot.height))
            try PNG.write(image, to: "\(folder)/\(file).png")
        }
    }

    /// The page as text.
    var html: String {
        let head = Markup.tag(
            "head", [],
            [
                .tag("meta", [("charset", "utf-8")], []),
                .tag("meta", [("name", "viewport"), ("content", "width=device-width, initial-scale=1")], []),
                .tag("title", [], "\(title): DomainFusion report"),
            ])
        let body = Markup.tag(
            "body", [], [.tag("a", [("class", "skip"), ("href", "#results")], "To the results")] + content)
        // The rules are ours, and no text of a file is in them.
        let style = "<style>\(PageStyle.page)</style></head>"
        return "<!doctype html>\n<html lang=\"en\">" + head.html.replacing("</head>", with: style) + body.html
            + "</html>\n"
    }

    /// What the page shows, for another page to take in: a header, links to the sections, and the sections.
    package var content: [Markup] {
        let sections = self.sections
        let links = sections.map { id, title, _ in Markup.tag("li", [], [.tag("a", [("href", "#\(id)")], title)]) }
        let methods = Set(runs.map(\.method)).count
        return [
            .tag(
                "header", [],
                [
                    .tag("h1", [], title),
                    .tag(
                        "p", [("class", "soft")],
                        "\(runs.count) finished runs of \(methods) methods. DomainFusion \(toolkitVersion)."),
                ]),
            .tag("nav", [("aria-label", "Sections")], [.tag("ul", [], links)]),
            .tag(
                "main", [],
                sections.map { id, title, parts in
                    .tag("section", [("id", id)], [.tag("h2", [], title)] + parts)
                }),
        ]
    }

    private var sections: [(id: String, title: String, parts: [Markup])] {
        [
            ("results", "Results", resultParts),
            ("gains", "Gains", figures("gain-", gainCaption)),
            ("steps", "Over training", figures("steps-", "Means over runs, on the unseen domain.")),
            (
                "classes", "By class",
                figures("classes-", "All runs of a method together.")
            ),
            ("confusion", "Confusion", confusionParts),
            ("calibration", "Calibration", calibrationParts),
            ("cost", "Cost", costParts),
            (
                "map", "Features",
                figures("map-", "Near points are alike to the classifier (t-SNE); directions mean nothing.")
            ),
            ("gallery", "Synthetic images", galleryParts),
            ("hard", "Hardest images", hardParts),
        ].filter { !$0.2.isEmpty }
    }

    private var gainCaption: String {
        "Paired by image and seed, for other images and other trainings; an interval across zero shows no gain."
    }

    private func figures(_ prefix: String, _ caption: String) -> [Markup] {
        plots.filter { $0.name.hasPrefix(prefix) }.map { _, plot in
            .tag(
                "figure", [],
                [Markup.wide(plot.title, plot.markup), .tag("figcaption", [], "\(plot.title). \(caption)")])
        }
    }

    private var resultParts: [Markup] {
        tables.sections.flatMap { section in
            section.tables.compactMap { table -> Markup? in
                let rows = table.rows.filter { row in row.cells.contains { $0 != nil } }
                guard !rows.isEmpty else { return nil }
                let used = table.columns.indices.filter { column in rows.contains { $0.cells[column] != nil } }
                return Markup.table(
                    "\(table.dataset ?? ""): accuracy on the unseen domain, %, mean ± standard error over trials; model chosen by "
                        + section.selection.phrase,
                    head: ["method"] + used.map { table.columns[$0] } + ["average"],
                    rows: rows.map { row in
                        let cells = used.map { column in
                            row.cells[column].map { String(format: "%.1f ± %.1f", $0.mean, $0.error) } ?? "–"
                        }
                        let means = used.compactMap { row.cells[$0]?.mean }
                        let average =
                            means.count == used.count
                            ? String(format: "%.1f", means.reduce(0, +) / Double(means.count)) : "–"
                        return [Markup.rowHead(row.algorithm)] + (cells + [average]).map(Markup.cell)
                    })
            }
        }
    }

    private var confusionParts: [Markup] {
        answers.flatMap { answer -> [Markup] in
            [(answer.held, "on \(answer.target)"), (answer.validation, "on the source domains' validation images")]
                .compactMap { counts, place in
                    let classes = counts.classes
                    guard !classes.isEmpty else { return nil }
                    return Markup.table(
                        "\(answer.method) \(place)\(place.hasPrefix("on the") ? ", \(answer.target) held out" : ""): percent of a "
                            + "row's class taken for each column's",
                        head: ["class"] + classes,
                        rows: classes.map { label in
                            [Markup.rowHead(label)]
                                + classes.map { predicted in
                                    guard let share = counts.share(label, predicted) else { return Markup.cell("–") }
                                    return .tag(
                                        "td", [("class", PageStyle.shareClass(share))],
                                        share == 0 ? "" : String(format: "%.0f", 100 * share))
                                }
                        })
                }
        }
    }

    private var costParts: [Markup] {
        let rows = costs.map { cost in
            let counts = [
                cost.generatedImages, cost.sharedImages, cost.unetEvaluations, cost.vaePasses, cost.fineTuningSteps,
            ].map { String(format: "%.0f", $0) }
            let minutes = [cost.trainingSeconds, cost.diffusionSeconds, cost.fineTuningSeconds].map {
                String(format: "%.1f", $0 / 60)
            }
            let megabytes = String(format: "%.1f", cost.bytes / 1_000_000)
            return [Markup.rowHead(cost.method)] + (["\(cost.runs)"] + counts + [megabytes] + minutes).map(Markup.cell)
        }
        return [
            Markup.table(
                "Means over the runs of a method, with what was done before them; shared images were found in the store or made "
                    + "before training",
                head: [
                    "method", "runs", "images", "shared", "U-Net passes", "VAE passes", "fine-tuning steps", "disk, MB",
                    "training, min", "diffusion, min", "fine-tuning, min",
                ], rows: rows)
        ]
    }

    private var hardParts: [Markup] {
        hard.flatMap { domain, images -> [Markup] in
            let items = images.compactMap { image -> Markup? in
                guard let url = (try? ImageFile.decode("\(image.data)/\(image.image)")).flatMap(Markup.picture) else {
                    return nil
                }
                return .tag(
                    "li", [],
                    [
                        .tag("img", [("src", url), ("alt", "\(image.label): \(FilePath.name(of: image.image))")], []),
                        .tag("span", [], "\(image.label), wrong in \(image.wrong) of \(image.models)"),
                        .text(image.wrong > 0 ? ", mostly \(image.predicted)" : ""),
                    ])
            }
            guard !items.isEmpty else { return [] }
            return [
                .tag("h3", [], domain),
                .tag("p", [("class", "soft")], "The largest loss over all methods' models, \(domain) held out."),
                .tag("ul", [("class", "images")], items),
            ]
        }
    }

    private var galleryParts: [Markup] { galleries.map(\.markup) }
}
