import Foundation
import Pixels
import Testing

@Suite struct SVGRendererTests {
    private let square = """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">
        <rect x="0" y="0" width="5" height="10" fill="#ff0000"/></svg>
        """

    @Test func drawsOverTheBackground() throws {
        let image = try SVGRenderer.render(svg: square, width: 20, height: 20, background: RGB(0, 0, 255))
        #expect(image[2, 2] == RGB(255, 0, 0))
        #expect(image[15, 15] == RGB(0, 0, 255))
    }

    @Test func keepsTheAspect() throws {
        let image = try SVGRenderer.render(svg: square, width: 40, height: 20)
        #expect(image[5, 10] == .white)
        #expect(image[12, 10] == RGB(255, 0, 0))
        #expect(image[25, 10] == .white)
    }

    @Test func readsFiles() throws {
        try Fixtures.withFolder { folder in
            let path = "\(folder)/a.svg"
            #expect(throws: ImageError.missing(path)) { try SVGRenderer.render(file: path, size: 16) }
            try Data(square.utf8).write(to: URL(fileURLWithPath: path))
            #expect(try SVGRenderer.render(file: path, size: 16)[1, 1] == RGB(255, 0, 0))
        }
    }

    @Test(arguments: ["", "hello", "<svg", "<html></html>", "<svg xmlns=\"http://www.w3.org/2000/svg\"><g></svg>"])
    func refusesWhatIsNoSVG(_ text: String) {
        #expect(throws: ImageError.self) { try SVGRenderer.render(svg: text, width: 8, height: 8) }
    }

    /// Drawings that name themselves again and again end in time: librsvg counts what it draws.
    @Test func boundsWhatADrawingTakes() throws {
        let uses = (1...12).map { level in
            let use = "<use href=\"#g\(level - 1)\"/>"
            return "<g id=\"g\(level)\">\(String(repeating: use, count: 10))</g>"
        }
        let entities = (1...12).map { "<!ENTITY e\($0) \"\(String(repeating: "&e\($0 - 1);", count: 10))\">" }
        let head = "xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" height=\"10\">"
        for bomb in [
            "<svg \(head)<defs><rect id=\"g0\" width=\"9\" height=\"9\"/>\(uses.joined())</defs><use href=\"#g12\"/></svg>",
            "<!DOCTYPE svg [<!ENTITY e0 \"x\">\(entities.joined())]><svg \(head)<text>&e12;</text></svg>",
            "<svg \(head)" + String(repeating: "<g>", count: 100_000),
        ] {
            let began = ContinuousClock.now
            #expect(throws: ImageError.self) { try SVGRenderer.render(svg: bomb, width: 20, height: 20) }
            #expect(ContinuousClock.now - began < .seconds(60))
        }
    }
}
