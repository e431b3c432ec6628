import DomainFusion
import DomainGeneralization
import Foundations
import Pixels

/// How some of a run's synthetic images came about: source, candidates, which were chosen, and the result.
struct SyntheticGallery {
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
        let folder = "\(run.path)/synthetic"
        guard let records = SyntheticSet.records(in: folder), !records.isEmpty else { return nil }
        let store = ContentStore(run.store)
        method = run.method
        target = run.summary.testDomains.joined(separator: ", ")
        let count = min(count, records.count)
        rows = (0..<count).map { index in
            let record = records[(2 * index + 1) * records.count / (2 * count)]
            return Row(
                className: record.className, source: try? ImageFile.decode("\(run.data)/\(record.source)"),
                candidates: record.prompts.enumerated().map { number, prompt in
                    (
                        record.candidates.flatMap { $0.indices.contains(number) ? store.candidate($0[number]) : nil },
                        prompt
                    )
                }, style: record.style, content: record.content,
                composed: try? ImageFile.decode("\(folder)/\(record.path)"))
        }
    }
}
