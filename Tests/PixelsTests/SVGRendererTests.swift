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
}
