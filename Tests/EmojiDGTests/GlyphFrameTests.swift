import Pixels
import Testing

@testable import EmojiDG

struct GlyphFrameTests {
    /// The first and last column and row that hold ink.
    private func bounds(_ image: RGBImage) -> [Int] {
        let inked = (0..<image.height).flatMap { y in
            (0..<image.width).filter { image[$0, y] != .white }.map { ($0, y) }
        }
        let (columns, rows) = (inked.map(\.0), inked.map(\.1))
        return [columns.min() ?? -1, columns.max() ?? -1, rows.min() ?? -1, rows.max() ?? -1]
    }

    @Test func centresAndScalesTheInk() throws {
        var drawing = RGBImage(width: 200, height: 200)
        drawing.paste(RGBImage(width: 112, height: 56, fill: RGB(200, 30, 20)), x: 80, y: 7)
        let image = try #require(GlyphFrame.smooth(drawing))
        #expect(image.width == 64 && image.height == 64)
        #expect(bounds(image) == [4, 59, 18, 45])
        #expect(image[32, 32] == RGB(200, 30, 20))
    }

    @Test func enlargesSmallInk() throws {
        var drawing = RGBImage(width: 20, height: 20)
        drawing.paste(RGBImage(width: 7, height: 14, fill: .black), x: 1, y: 2)
        let image = try #require(GlyphFrame.smooth(drawing))
        #expect(bounds(image) == [18, 45, 4, 59])
    }

    @Test func keepsTheMeanOfWhatItReduces() throws {
        var drawing = RGBImage(width: 224, height: 224)
        for y in 0..<224 { for x in 0..<224 where (x + y) % 2 == 0 { drawing[x, y] = .black } }
        let image = try #require(GlyphFrame.smooth(drawing))
        #expect((126...129).contains(Int(image[32, 32].red)))
    }

    @Test func enlargesPixelArtByWholePixels() throws {
        var drawing = RGBImage(width: 16, height: 16)
        drawing.paste(RGBImage(width: 15, height: 9, fill: .black), x: 0, y: 3)
        drawing[4, 5] = .white
        let image = try #require(GlyphFrame.pixelated(drawing))
        #expect(bounds(image) == [9, 53, 18, 44])
        #expect(Set(stride(from: 0, to: image.pixels.count, by: 3).map { image.pixels[$0] }) == [0, 255])
        #expect(image[9 + 4 * 3 + 1, 18 + 2 * 3 + 1] == .white)
    }

    @Test func leavesOutWhatHasNoInk() {
        #expect(GlyphFrame.smooth(RGBImage(width: 9, height: 9)) == nil)
        #expect(GlyphFrame.pixelated(RGBImage(width: 9, height: 9)) == nil)
    }
}
