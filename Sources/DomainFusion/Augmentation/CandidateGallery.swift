import Pixels

/// A picture of what augmentation made of images: source, candidates, chosen style and content, composed.
public enum CandidateGallery {
    /// One row for each outcome. Captions say how alike a candidate's style and content are to the image's own, and what
    /// of it was chosen.
    public static func sheet(_ outcomes: [Augmenter.Outcome], names: [String], title: String = "") -> ContactSheet {
        let candidates = outcomes.map(\.candidates.count).max() ?? 0
        return ContactSheet(
            title: title, rows: outcomes.map { row($0, candidates: candidates) }, rowLabels: names,
            columnLabels: ["image"] + (0..<candidates).map { "candidate \($0 + 1)" }
                + ["chosen style", "chosen content", "composed"])
    }

    private static func row(_ outcome: Augmenter.Outcome, candidates: Int) -> [ContactSheet.Cell] {
        let composition = outcome.composition
        var cells = [ContactSheet.Cell(outcome.request.start)]
        for (number, image) in outcome.candidates.enumerated() {
            guard let composition, let style = composition.styleSimilarities[number],
                let content = composition.contentSimilarities[number]
            else {
                let isKept = outcome.kept.contains(number)
                cells.append(ContactSheet.Cell(image, caption: isKept ? "other content" : "not recognised"))
                continue
            }
            let chosen =
                switch (composition.style == number, composition.content == number) {
                case (true, true): " both"
                case (true, false): " style"
                case (false, true): " content"
                case (false, false): ""
                }
            cells.append(
                ContactSheet.Cell(image, caption: "\(rounded(style)) \(rounded(content))\(chosen)"))
        }
        cells += (outcome.candidates.count..<candidates).map { _ in ContactSheet.Cell(nil) }
        guard let composition else {
            return cells + [
                ContactSheet.Cell(nil), ContactSheet.Cell(nil), ContactSheet.Cell(outcome.image, caption: "as it was"),
            ]
        }
        let content =
            composition.content.map { (outcome.candidates[$0], "candidate \($0 + 1)") }
            ?? (outcome.request.source, "source")
        return cells + [
            style(of: outcome, composition),
            ContactSheet.Cell(content.0, caption: content.1), ContactSheet.Cell(composition.image),
        ]
    }

    private static func style(of outcome: Augmenter.Outcome, _ composition: Composition) -> ContactSheet.Cell {
        switch outcome.request.amplitude {
        case .candidate:
            composition.style.map { ContactSheet.Cell(outcome.candidates[$0], caption: "candidate \($0 + 1)") }
                ?? ContactSheet.Cell(nil)
        case .source(_, let image): ContactSheet.Cell(image, caption: "another source")
        case .noise: ContactSheet.Cell(nil, caption: "noise")
        }
    }

    /// Three decimals at most.
    private static func rounded(_ number: Double) -> String { "\((number * 1000).rounded() / 1000)" }
}
