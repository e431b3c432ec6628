import DomainFusion
import DomainGeneralization
import Foundations
import Pixels

/// How some of a run's synthetic images came about: source, candidates, which were chosen, and the result.
package struct SyntheticGallery {
    /// One image of the last set that the run trained on.
    struct Row {
        let className: String
        let source: RGBImage?
        /// Of those that the store still has.
        let candidates: [(image: RGBImage?, prompt: String)]
        /// The candidate whose style was taken, and the one whose content was; −1 for the source's.
        let style: Int?, content: Int?
        let composed: RGBImage?
    }

    let method: String
    let target: String
    let rows: [Row]

    /// Some of a run's synthetic images; nil for a run that has none.
    init?(_ run: FinishedRun, rows count: Int) {
        self.init(
            folder: run.path, method: run.method, target: run.summary.testDomains.joined(separator: ", "),
            data: run.data, store: run.store, rows: count)
    }

    /// The same of a run that need not have ended.
    package init?(run: RunDirectory, rows count: Int) {
        guard Files.exists("\(run.path)/synthetic"), let settings = try? run.configuration() else { return nil }
        self.init(
            folder: run.path, method: settings.methodName(settings.algorithm.name),
            target: settings.testDomains.joined(separator: ", "), data: settings.data, store: settings.store,
            rows: count)
    }

    private init?(folder: String, method: String, target: String, data: String, store: String, rows count: Int) {
        let folder = "\(folder)/synthetic"
        guard let records = SyntheticSet.records(in: folder), !records.isEmpty else { return nil }
        let store = ContentStore(store)
        (self.method, self.target) = (method, target)
        let count = min(count, records.count)
        rows = (0..<count).map { index in
            let record = records[(2 * index + 1) * records.count / (2 * count)]
            return Row(
                className: record.className, source: try? ImageFile.decode("\(data)/\(record.source)"),
                candidates: record.prompts.enumerated().map { number, prompt in
                    (
                        record.candidates.flatMap { $0.indices.contains(number) ? store.candidate($0[number]) : nil },
                        prompt
                    )
                }, style: record.style, content: record.content,
                composed: try? ImageFile.decode("\(folder)/\(record.path)"))
        }
    }

    /// The images as a table.
    package var markup: Markup {
        let most = rows.map(\.candidates.count).max() ?? 0
        return Markup.table(
            "How \(method) made images, \(target) held out: of each source image's candidates one gives the style "
                + "and one, or the source, the content",
            head: ["source"] + (0..<most).map { "candidate \($0 + 1)" } + ["composed"],
            rows: rows.map { row in
                [Markup.seen(row.source, "source image of a \(row.className)", row.content == -1 ? "content" : "")]
                    + (0..<most).map { number in
                        guard row.candidates.indices.contains(number) else { return Markup.cell("") }
                        let (image, prompt) = row.candidates[number]
                        let taken = [(row.style, "style"), (row.content, "content")].filter { $0.0 == number }
                            .map(\.1)
                        return Markup.seen(
                            image, prompt, (taken.isEmpty ? [prompt] : taken + [prompt]).joined(separator: ", "))
                    } + [Markup.seen(row.composed, "composed image of a \(row.className)", row.className)]
            })
    }
}
