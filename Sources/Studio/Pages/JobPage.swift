import Diffusion
import Experiments
import Foundations

/// The page of work that the diffusion model does for an image.
enum JobPage {
    static func html(_ job: CandidateJob) -> String {
        let progress = job.progress
        let name = "Candidates of \(plainText(Caption.prompt("{a class}", class: job.order.className)))"
        let cancel = Markup.tag(
            "form", [("method", "post"), ("action", job.address + "/cancel"), ("data-until-end", "")],
            [.tag("button", [], "Cancel")])
        return StudioPage.html(
            name, events: progress.phase.isEnd ? nil : job.address + "/events",
            [
                .tag(
                    "main", [],
                    [
                        .tag("h1", [], name),
                        .tag(
                            "p", [],
                            [
                                .text("As the settings of "),
                                .tag("a", [("href", WebAddress.run(job.order.run))], plainText(job.order.run)),
                                .text(" make them of the image."),
                            ]), .tag("div", [("id", "job"), ("aria-live", "polite")], part(job, progress)),
                        progress.phase.isEnd ? .group([]) : cancel,
                    ])
            ])
    }

    /// The part that changes.
    static func part(_ job: CandidateJob, _ progress: CandidateJob.Progress) -> [Markup] {
        let isProblem = if case .failed = progress.phase { true } else { false }
        return [
            .tag(
                "p", [("class", isProblem ? "problem" : "soft"), ("role", "status")], plainText(sentence(job, progress))
            ),
            .tag("ul", [("class", "made")], pictures(job, progress)),
        ] + curve(progress)
    }

    private static func sentence(_ job: CandidateJob, _ progress: CandidateJob.Progress) -> String {
        switch progress.phase {
        case .waiting:
            "Waits: the diffusion model works on another image. This one comes next, or after those before it."
        case .candidates:
            "Candidate \(progress.candidates.count + 1) of \(job.order.settings.augmentation.candidates) …"
        case .composing: "Style and content are chosen and composed …"
        case .curve: "The LD curve is worked out …"
        case .done: "Done."
        case .cancelled: "Cancelled."
        case .failed(let why): "This failed: \(why)."
        }
    }

    private static func pictures(_ job: CandidateJob, _ progress: CandidateJob.Progress) -> [Markup] {
        let composition = progress.outcome?.composition
        func item(_ image: Markup, _ words: [String], isChosen: Bool) -> Markup {
            .tag("li", isChosen ? [("class", "chosen")] : [], [image, .tag("div", [], words.joined(separator: ", "))])
        }
        func picture(_ url: String?, _ words: String) -> Markup {
            url.map { Markup.tag("img", [("src", $0), ("alt", words)], []) } ?? .text("no picture")
        }
        let isOwn = progress.outcome?.hasSourceContent ?? false
        var items = [
            item(
                picture(Markup.picture(job.order.image), "the image"), ["the image"] + (isOwn ? ["content"] : []),
                isChosen: isOwn)
        ]
        for (place, image) in progress.candidates.enumerated() {
            let taken =
                (composition?.style == place ? ["style"] : []) + (composition?.content == place ? ["content"] : [])
            items.append(
                item(
                    picture(Markup.picture(image), "candidate \(place + 1)"), ["candidate \(place + 1)"] + taken,
                    isChosen: !taken.isEmpty))
        }
        if let outcome = progress.outcome {
            items.append(
                item(
                    picture(Markup.picture(outcome.image), "composed"),
                    [composition == nil ? "stays as it was" : "composed"], isChosen: false))
        }
        return items
    }

    private static func curve(_ progress: CandidateJob.Progress) -> [Markup] {
        guard !progress.curves.isEmpty else { return [] }
        let plot = Plot.lines(
            title: "LD curves: what the diffusion model thinks of the image at each brightness", x: "confidence p",
            y: "G(p)", progress.curves.map { Plot.Series(label: plainText($0.label), points: $0.points) })
        return [
            .tag(
                "figure", [],
                [
                    .wide(plot.title, plot.markup),
                    .tag(
                        "figcaption", [],
                        "\(plot.title). Negative values ask the classifier for more confidence; where two classes agree, the "
                            + "model sees brightness, not the class."),
                ])
        ]
    }
}
