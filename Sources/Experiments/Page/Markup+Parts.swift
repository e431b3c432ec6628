import Foundation
import Pixels

/// Parts that pages share.
extension Markup {
    /// A table that scrolls where it is too wide.
    package static func table(_ caption: String, head: [String], rows: [[Markup]]) -> Markup {
        let heads = head.map { Markup.tag("th", [("scope", "col")], $0) }
        let table = Markup.tag(
            "table", [],
            [
                .tag("thead", [], [.tag("tr", [], heads)]), .tag("tbody", [], rows.map { .tag("tr", [], $0) }),
            ])
        return .tag("figure", [], [.tag("figcaption", [], caption), wide(caption, table)])
    }

    /// What can be scrolled where the page is narrow, by the keyboard, too.
    package static func wide(_ label: String, _ content: Markup) -> Markup {
        .tag("div", [("class", "wide"), ("tabindex", "0"), ("role", "group"), ("aria-label", label)], [content])
    }

    /// A cell of a table.
    package static func cell(_ text: String) -> Markup { .tag("td", [], text) }

    /// The first cell of a table's row, which says what the row is of.
    package static func rowHead(_ text: String) -> Markup { .tag("th", [("scope", "row")], text) }

    /// A cell with an image and words below it.
    package static func seen(_ image: RGBImage?, _ description: String, _ words: String) -> Markup {
        let picture = image.flatMap(picture).map { Markup.tag("img", [("src", $0), ("alt", description)], []) }
        let gap = Markup.group([.tag("span", [("class", "soft")], "not kept"), .tag("br", [], [])])
        return .tag("td", [("class", "seen")], [picture ?? gap, .text(words)])
    }

    /// An image as a small PNG in an address, at most 128 pixels wide and high.
    package static func picture(_ image: RGBImage) -> String? {
        let scale = min(1, 128 / Double(max(image.width, image.height)))
        let small = image.resized(
            width: max(1, Int((Double(image.width) * scale).rounded())),
            height: max(1, Int((Double(image.height) * scale).rounded())))
        return (try? PNG.encode(small)).map { "data:image/png;base64,\(Data($0).base64EncodedString())" }
    }
}
