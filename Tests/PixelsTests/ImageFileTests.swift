import Foundation
import Foundations
import Testing

@testable import Pixels

@Suite struct ImageFileTests {
    @Test(arguments: try Fixtures.images())
    func decodesAsPillow(_ name: String) throws {
        let image = try ImageFile.decode("\(Fixtures.root)/images/\(name)")
        let stem = name.split(separator: ".")[0]
        let expected = try Fixtures.ppm("decoded/\(stem).ppm")
        #expect(distance(image, expected) <= (name.hasPrefix("webp-lossy") ? 1 : 0))
    }

    @Test func saysWhatIsWrongInOneLine() throws {
        try Fixtures.withFolder { folder in
            func message(_ name: String, _ bytes: [UInt8]?) throws -> String {
                let path = "\(folder)/\(name)"
                if let bytes { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
                do {
                    _ = try ImageFile.decode(path)
                    return "no error"
                } catch let error as ImageError {
                    #expect(error.description.hasPrefix(path))
                    #expect(!error.description.contains("\n"))
                    #expect(error.localizedDescription == error.description)
                    return String(error.description.dropFirst(path.count))
                }
            }
            #expect(try message("none.png", nil).contains("no such file"))
            #expect(try message("empty.png", []).contains("empty"))
            #expect(try message("notes.png", Array("BMW and other cars".utf8)).contains("not an image"))
            #expect(try message("a.gif", Fixtures.bytes("refused.gif")).contains("GIF is not supported"))
            #expect(try message("a.tif", Fixtures.bytes("refused.tiff")).contains("TIFF is not supported"))
            let checksum = try message("a.png", Fixtures.bytes("refused-checksum.png"))
            #expect(checksum.contains("corrupt PNG file (the checksum of a chunk IDAT is wrong)"))
            let png = try Fixtures.bytes("images/png-rgb.png")
            #expect(try message("cut.png", Array(png.dropLast(20))).contains("truncated PNG"))
            let jpeg = try Fixtures.bytes("images/jpeg-420.jpg")
            #expect(try message("cut.jpg", Array(jpeg.prefix(jpeg.count / 2))).contains("truncated JPEG"))
            #expect(throws: ImageError.notAFile(folder)) { try ImageFile.decode(folder) }
        }
    }

    @Test func refusesTooManyPixelsByTheHeader() throws {
        var png = try Fixtures.bytes("images/png-rgb.png")
        png.replaceSubrange(16..<24, with: [0, 0, 0x40, 0, 0, 0, 0x40, 0])
        #expect(throws: ImageError.tooLarge("a", width: 16384, height: 16384)) {
            try ImageFile.decode(bytes: png, name: "a")
        }
        var bmp = try Fixtures.bytes("images/bmp-24.bmp")
        bmp.replaceSubrange(18..<26, with: [0, 0x40, 0, 0, 0, 0x40, 0, 0])
        #expect(throws: ImageError.tooLarge("a", width: 16384, height: 16384)) {
            try ImageFile.decode(bytes: bmp, name: "a")
        }
        var jpeg = try Fixtures.bytes("images/jpeg-444.jpg")
        let frame = try #require(jpeg.indices.dropLast().first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        jpeg.replaceSubrange((frame + 5)..<(frame + 9), with: [0x40, 0, 0x40, 0])
        #expect(throws: ImageError.tooLarge("a", width: 16384, height: 16384)) {
            try ImageFile.decode(bytes: jpeg, name: "a")
        }
    }

    /// What a small file may ask for in memory is bounded by its size.
    @Test(arguments: ["images/png-rgb.png", "images/jpeg-444.jpg", "images/webp-lossless.webp"])
    func refusesBombsByTheHeader(_ name: String) throws {
        var bytes = try Fixtures.bytes(name)
        let size: [UInt8]
        let place: Int
        switch name.suffix(4) {
        case ".png": (place, size) = (16, [0, 0, 0x20, 0, 0, 0, 0x20, 0])
        case ".jpg":
            let frame = try #require(bytes.indices.dropLast().first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
            (place, size) = (frame + 5, [0x20, 0, 0x20, 0])
        // Width and height less 1, in 14 bits each.
        default: (place, size) = (21, [0xFF, 0xDF, 0xFF, 0x07])
        }
        bytes.replaceSubrange(place..<(place + size.count), with: size)
        let error = ImageError.bomb("a", width: 8192, height: 8192, bytes: bytes.count)
        #expect(throws: error) { try ImageFile.decode(bytes: bytes, name: "a") }
        #expect(error.description.contains("8192×8192 pixels in a file of \(bytes.count) bytes"))
    }

    @Test func tellsOfAnimations() throws {
        for name in try Fixtures.images() {
            var notes: [String] = []
            _ = try ImageFile.decode("\(Fixtures.root)/images/\(name)") { notes.append($0) }
            let expected = "\(Fixtures.root)/images/\(name): an animation, of which the first frame is taken"
            #expect(notes == (name.contains("animated") ? [expected] : []))
        }
    }

    /// Names are bytes; these are not UTF-8.
    @Test func opensNamesOfAnyBytes() throws {
        try Fixtures.withFolder { folder in
            let image = RGBImage(width: 3, height: 2, fill: RGB(1, 2, 3))
            let path = FilePath.text(Array("\(folder)/caf".utf8) + [0xE9, 0xFF] + Array(".png".utf8))
            try PNG.write(image, to: path)
            #expect(try ImageFile.decode(path) == image)
            #expect(Files.names(in: folder) == [FilePath.name(of: path)])
            #expect(throws: ImageError.missing(path + "x")) { try ImageFile.decode(path + "x") }
        }
    }

    /// A file cut at any length is an error, never a picture with a grey rest.
    @Test(arguments: try Fixtures.images())
    func refusesTruncation(_ name: String) throws {
        let bytes = try Fixtures.bytes("images/\(name)")
        for length in 0..<bytes.count {
            #expect(throws: ImageError.self, "cut at \(length) of \(bytes.count)") {
                try ImageFile.decode(bytes: Array(bytes.prefix(length)), name: name)
            }
        }
    }

    /// Damaged bytes give an error or a picture, never a crash.
    @Test(arguments: try Fixtures.images())
    func survivesDamage(_ name: String) throws {
        let bytes = try Fixtures.bytes("images/\(name)")
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<300 {
            var damaged = bytes
            for _ in 0...Int(generator.next() % 4) {
                damaged[Int(generator.next() % UInt64(bytes.count))] = UInt8(generator.next() & 255)
            }
            do {
                _ = try ImageFile.decode(bytes: damaged, name: name)
            } catch is ImageError {}
        }
    }
}
