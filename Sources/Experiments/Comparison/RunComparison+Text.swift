import DomainGeneralization
import Foundation

extension RunComparison {
    /// One table a held-out domain and one of their mean, in percent, with a legend.
    public func text() -> String {
        var lines: [String] = []
        for target in targets + (average.map { [$0] } ?? []) {
            let heads = [
                "unseen: \(target.domains)", "seeds", "accuracy", "gain over \(baseline)", "unseen items", "gain",
                "validation",
            ]
            let rows = target.rows.map { row in
                [
                    row.method, "\(row.seeds.count)", percent(row.unseenDomain), percent(row.gain),
                    percent(row.unseenItems), percent(row.gainOnUnseenItems), percent(row.sourceValidation),
                ]
            }
            lines += alignedColumns([heads] + rows) + [""]
        }
        return (lines + Self.legend).joined(separator: "\n") + "\n"
    }

    private static let legend = [
        "In percent; models chosen by validation on the training domains. accuracy: mean ± standard error over seeds, on",
        "the images of the unseen domain. gain: paired by image and seed, ± half its 95 % interval for other images and",
        "other trainings (with one seed, for other images alone). unseen items: images of the unseen domain that show",
        "what was in no domain's training. An oracle, trained on the unseen domain too, has its accuracy on the images",
        "that it was not trained on, and no gain.",
    ]

    private func percent(_ mean: Mean?) -> String {
        mean.map { String(format: "%.1f ± %.1f", 100 * $0.value, 100 * $0.error) } ?? "–"
    }

    private func percent(_ gain: PairedGain?) -> String {
        gain.map { String(format: "%+.1f ± %.1f", 100 * $0.value, 100 * $0.margin) } ?? "–"
    }
}
