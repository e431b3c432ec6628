/// A piece of HTML or SVG. Texts and attributes are escaped when it is written, so that nothing from a file becomes an element.
package indirect enum Markup: Sendable {
    case text(String)
    case element(String, [(String, String)], [Markup])
    /// Several pieces one after the other.
    case group([Markup])

    /// An element with children.
    package static func tag(
        _ name: String, _ attributes: [(String, String)] = [], _ children: [Markup] = []
    ) -> Markup {
        .element(name, attributes, children)
    }

    /// An element with a text.
    package static func tag(_ name: String, _ attributes: [(String, String)] = [], _ text: String) -> Markup {
        .element(name, attributes, [.text(text)])
    }

    /// Elements of HTML that have no end tag.
    private static let void: Set = ["meta", "link", "img", "br", "input"]

    /// The piece as text.
    package var html: String {
        switch self {
        case .text(let text): return Self.escaped(text)
        case .group(let parts): return parts.map(\.html).joined()
        case .element(let name, let attributes, let children):
            let head = attributes.map { " \($0.0)=\"\(Self.escaped($0.1))\"" }.joined()
            if Self.void.contains(name) { return "<\(name)\(head)>" }
            return "<\(name)\(head)>\(children.map(\.html).joined())</\(name)>"
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            // Control characters are allowed in neither HTML nor XML.
            case "\u{0}"..."\u{8}", "\u{B}", "\u{C}", "\u{E}"..."\u{1F}", "\u{7F}"..."\u{9F}": result += "�"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
