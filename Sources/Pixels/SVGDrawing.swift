import Foundation

/// The lines of an SVG drawing in one house style: a sans-serif face, dark grey on white.
struct SVGDrawing {
    enum Anchor: String { case start, middle, end }

    let width: Int
    let height: Int
    private var lines: [String] = []

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    /// The whole drawing as SVG text, `width × height` pixels on white.
    var text: String {
        let head = """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
            viewBox="0 0 \(width) \(height)" font-family="sans-serif">
            <rect width="\(width)" height="\(height)" fill="#ffffff"/>
            """
        return ([head] + lines + ["</svg>", ""]).joined(separator: "\n")
    }

    /// Adds one element that is SVG already.
    mutating func add(_ element: String) { lines.append(element) }

    /// Adds text; `y` is its baseline.
    mutating func write(
        _ content: String, x: Double, y: Double, size: Double, anchor: Anchor = .start, isBold: Bool = false,
        colour: String = "#333333", isUpward: Bool = false
    ) {
        guard !content.isEmpty else { return }
        let weight = isBold ? " font-weight=\"bold\"" : ""
        let turn = isUpward ? " transform=\"rotate(-90 \(Self.number(x)) \(Self.number(y)))\"" : ""
        add(
            """
            <text x="\(Self.number(x))" y="\(Self.number(y))" font-size="\(Self.number(size))" \
            text-anchor="\(anchor.rawValue)" fill="\(colour)"\(weight)\(turn)>\(Self.escaped(content))</text>
            """)
    }

    mutating func line(
        _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, colour: String, width: Double = 1
    ) {
        add(
            """
            <line x1="\(Self.number(x1))" y1="\(Self.number(y1))" x2="\(Self.number(x2))" y2="\(Self.number(y2))" \
            stroke="\(colour)" stroke-width="\(Self.number(width))"/>
            """)
    }

    /// A coordinate with at most two decimals.
    static func number(_ value: Double) -> String {
        let text = String(format: "%.2f", value)
        let short = text.reversed().drop { $0 == "0" }.drop { $0 == "." }
        return String(short.reversed())
    }

    /// Text for XML: markup escaped, control characters, which XML forbids, left out.
    static func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case _ where scalar.value < 32 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: result += " "
            default: result.unicodeScalars.append(scalar)
            }
        }
    }

    /// About how wide text is set: sans-serif faces average 0.6 of the size per character.
    static func width(_ text: String, size: Double, isBold: Bool = false) -> Double {
        Double(text.count) * size * (isBold ? 0.67 : 0.6)
    }

    /// Text shortened with an ellipsis to fit a width.
    static func fitted(_ text: String, width available: Double, size: Double, isBold: Bool = false) -> String {
        guard width(text, size: size, isBold: isBold) > available else { return text }
        let count = Int(available / width("n", size: size, isBold: isBold)) - 1
        return count < 1 ? "" : text.prefix(count).trimmingCharacters(in: .whitespaces) + "…"
    }
}
