import Foundation
import Testing

@testable import Foundations

@Suite struct TerminalTests {
    @Test(arguments: [
        ("plain é 日本 👩\u{200D}🚀 می\u{200C}خواهم", "plain é 日本 👩\u{200D}🚀 می\u{200C}خواهم"),
        ("\u{1B}[31mred\u{1B}[0m", "\\u001b[31mred\\u001b[0m"), ("a\rb\nc\td\u{7}", "a\\u000db\\u000ac\\u0009d\\u0007"),
        ("\u{9B}2J\u{7F}", "\\u009b2J\\u007f"), ("cat\u{202E}gnp.exe", "cat\\u202egnp.exe"),
        ("a\u{2028}b\u{2066}c\u{FEFF}", "a\\u2028b\\u2066c\\ufeff"), ("\u{E0041}", "\\udb40\\udc41"),
    ])
    func whatATerminalWouldObeyIsWrittenOut(text: String, expected: String) {
        #expect(plainText(text) == expected)
    }

    @Test func linesStayWhereTheyAreMeant() {
        #expect(plainText("a\n\tb\r\n\u{1B}", keepsLines: true) == "a\n\tb\\u000d\n\\u001b")
    }

    /// Bars are for terminals that can, and for people who want them.
    @Test func linesAreDrawnAgainOnTerminalsAlone() {
        // A new terminal's end that a terminal program holds is one itself.
        let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        let null = open("/dev/null", O_WRONLY)
        defer { for descriptor in [terminal, null] { close(descriptor) } }
        #expect(Terminal.isInteractive(terminal, environment: ["TERM": "xterm", "NO_COLOR": ""]))
        #expect(!Terminal.isInteractive(terminal, environment: ["TERM": "dumb"]))
        #expect(!Terminal.isInteractive(terminal, environment: ["TERM": "xterm", "NO_COLOR": "1"]))
        #expect(!Terminal.isInteractive(null, environment: ["TERM": "xterm"]))
    }

    /// A byte that is no UTF-8 can be seen, and JSON means the same as before.
    @Test func jsonStaysJSON() throws {
        let name = FilePath.text([0x61, 0xE9, 0x1B]) + "\u{202E}\u{9B}\u{E0041}\"\\"
        let json = plainText(String(decoding: try JSONEncoder().encode([name]), as: UTF8.self))
        #expect(json.utf8.allSatisfy { $0 < 0x80 })
        #expect(try JSONDecoder().decode([String].self, from: Data(json.utf8)) == [name])
    }

    @Test(arguments: [
        (1.9, 1), (-1.9, -1), (1e300, Int.max), (-.infinity, Int.min), (.nan, 0), (0x1p63, Int.max), (0x1p62, 1 << 62),
    ])
    func numbersFromFilesAreClamped(value: Double, expected: Int) {
        #expect(Int(clamping: value) == expected)
    }
}
