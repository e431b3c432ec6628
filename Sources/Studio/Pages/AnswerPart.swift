import Experiments
import Foundation
import Foundations
import Pixels

/// What a run's classifier says of an image that was sent.
struct AnswerPart {
    let run: String
    let image: RGBImage
    let classes: [String]
    let probabilities: [Double]
    /// What the image is kept as for the diffusion model; nil where there is none to ask.
    let kept: String?

    /// Classes that are shown.
    private static let most = 10

    var markup: [Markup] {
        let best = RunPredictor.best(probabilities, Self.most)
        let bars = best.map { place -> Markup in
            let share = String(format: "%.4f", probabilities[place])
            let text = StudioText.percent(probabilities[place])
            return .tag(
                "li", [],
                [
                    .tag("span", [], plainText(classes[place])),
                    .tag("meter", [("min", "0"), ("max", "1"), ("value", share)], text), .tag("span", [], text),
                ])
        }
        let picture = Markup.picture(image).map { Markup.tag("img", [("src", $0), ("alt", "the image")], []) }
        let answer = Markup.tag(
            "div", [("class", "answer")], [picture ?? .group([]), .tag("ol", [("class", "bars")], bars)])
        return [answer] + (kept.map { [form($0, best)] } ?? [])
    }

    private func form(_ kept: String, _ best: [Int]) -> Markup {
        // The most probable first, which is then chosen; all others behind.
        let order = best + classes.indices.filter { !best.contains($0) }
        let options = order.prefix(1000).map {
            Markup.tag("option", [("value", "\($0)")], plainText(classes[$0]))
        }
        return .tag(
            "form",
            [("class", "line"), ("method", "post"), ("action", WebAddress.run(run, "candidates"))],
            [
                .tag("input", [("type", "hidden"), ("name", "image"), ("value", kept)], []),
                .tag("label", [("for", "class")], "Its class"),
                .tag("select", [("id", "class"), ("name", "class")], Array(options)),
                .tag("button", [], "Watch its candidates and LD curve being made"),
            ])
    }
}
