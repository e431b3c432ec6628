import Experiments
import Foundations

/// The page of a run.
enum RunPage {
    /// - Parameter answer: what was found in an image that was sent, in the place that waits for it.
    static func html(_ run: RunEntry, _ parts: RunParts, answer: [Markup] = []) -> String {
        let name = plainText(run.path)
        var sections = [Markup.tag("h1", [], name)] + parts.configuration
        for (id, title) in RunParts.sections {
            if !title.isEmpty { sections.append(.tag("h2", [], title)) }
            sections.append(.tag("div", [("id", id)], parts.part(id)))
            if id == "results", run.state == .done { sections.append(predictForm(run, answer)) }
        }
        return StudioPage.html(
            name, events: run.state == .training ? WebAddress.run(run.path, "events") : nil,
            [.tag("main", [], sections)])
    }

    private static func predictForm(_ run: RunEntry, _ answer: [Markup]) -> Markup {
        .group([
            .tag("h2", [], "Try it on an image"),
            .tag(
                "form",
                [
                    ("class", "line drop"), ("method", "post"), ("enctype", "multipart/form-data"),
                    ("action", WebAddress.run(run.path, "predict")), ("data-drop", ""),
                ],
                [
                    .tag("label", [("for", "image")], "Drop an image here, or choose one"),
                    .tag(
                        "input",
                        [
                            ("id", "image"), ("type", "file"), ("name", "image"), ("required", ""),
                            ("accept", "image/jpeg,image/png,image/webp,image/bmp"),
                        ], []), .tag("button", [], "What is it?"),
                ]),
            .tag("div", [("id", "answer"), ("aria-live", "polite")], answer),
        ])
    }
}
