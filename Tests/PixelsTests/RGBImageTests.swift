import Foundation
import Pixels
import Testing

@Suite struct RGBImageTests {
    private func ramp(_ width: Int, _ height: Int) -> RGBImage {
        var image = RGBImage(width: width, height: height)
        for y in 0..<height {
            for x in 0..<width { image[x, y] = RGB(UInt8(x), UInt8(y), 7) }
        }
        return image
    }

    @Test func cropsAndPastes() {
        let image = ramp(8, 6)
        let crop = image.cropped(x: 3, y: 2, width: 4, height: 3)
        #expect(crop[0, 0] == RGB(3, 2, 7))
        #expect(crop[3, 2] == RGB(6, 4, 7))
        var sheet = RGBImage(width: 8, height: 6, fill: .black)
        sheet.paste(crop, x: 3, y: 2)
        #expect(sheet[6, 4] == image[6, 4])
        #expect(sheet[2, 2] == .black)
        sheet.paste(image, x: -2, y: 5)
        #expect(sheet[0, 5] == RGB(2, 0, 7))
        let before = sheet
        sheet.paste(image, x: 0, y: 6)
        sheet.paste(image, x: 0, y: -6)
        sheet.paste(image, x: -8, y: 0)
        #expect(sheet == before)
    }

    @Test func enlargesByRepetition() {
        let large = ramp(3, 2).enlarged(4)
        #expect(large.width == 12 && large.height == 8)
        #expect(large[11, 7] == RGB(2, 1, 7))
        #expect(large[3, 3] == RGB(0, 0, 7))
    }

    @Test func writesPNGThatReadsBack() throws {
        try Fixtures.withFolder { folder in
            let image = try Fixtures.ppm("transforms/input.ppm")
            let path = "\(folder)/a.png"
            try PNG.write(image, to: path)
            try PNG.write(image, to: path)
            #expect(try ImageFile.decode(path) == image)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.png"])
            #expect { try PNG.write(image, to: "\(folder)/no/a.png") } throws: {
                "\($0)".hasPrefix(
                    "\(folder)/no/a.png: cannot be written: No such file or directory; make its folder first")
            }
        }
    }

    @Test func encodesJPEGThatReadsBack() throws {
        let image = try Fixtures.ppm("transforms/input.ppm")
        let bytes = try JPEG.encode(image, quality: 100, subsampled: false)
        #expect(distance(try ImageFile.decode(bytes: bytes, name: "a"), image) <= 4)
    }
}
