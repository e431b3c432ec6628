import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import LDMTraining

@Suite struct CaptionedImagesTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func at(_ name: String) -> String { "\(folder.path)/\(name)" }

    /// An image whose pixels are its number.
    private func image(_ name: String, _ number: Int, width: Int = 20, height: Int = 20) throws {
        let path = at(name)
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let value = UInt8(number)
        try PNG.write(RGBImage(width: width, height: height, fill: RGB(value, value, value)), to: path)
    }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: at(name)))
    }

    private func refusal(template: String? = nil, domains: [String]? = nil) -> String {
        do {
            _ = try CaptionedImages(folder: folder.path, template: template, domains: domains)
            return "nothing"
        } catch {
            #expect(error is UserError)
            let message = "\(error)".replacing(folder.path, with: "DIR")
            #expect(!message.contains("\n"))
            return message
        }
    }

    private func captions(template: String? = nil, domains: [String]? = nil) throws -> [String] {
        try CaptionedImages(folder: folder.path, template: template, domains: domains).entries.map {
            "\($0.path.dropFirst(folder.path.count + 1)): \($0.caption)"
        }
    }

    @Test func jsonLines() throws {
        for (index, name) in ["a.png", "sub/b.png"].enumerated() { try image(name, index) }
        try write(
            "{\"file_name\": \"a.png\", \"text\": \" a fox, \\\"red\\\" \", \"more\": [1]}\r\n\n"
                + "{\"text\": \"ein Bär\", \"file_name\": \"sub/b.png\"}", to: "metadata.jsonl")
        #expect(try captions() == ["a.png: a fox, \"red\"", "sub/b.png: ein Bär"])
        for (line, part) in [
            ("{\"file_name\": \"a.png\"}", "DIR/metadata.jsonl: line 2: a.png has no caption"),
            ("{\"file_name\": \"a.png\", \"text\": \"  \"}", "line 2: a.png has no caption"),
            ("{\"text\": \"a\"}", "line 2: no file_name"), ("a fox", "line 2: no JSON object"),
            ("{\"file_name\": \"c.png\", \"text\": \"a\"}", "line 2: DIR/c.png does not exist"),
            ("{\"file_name\": \"../c.png\", \"text\": \"a\"}", "line 2: ../c.png is no path inside DIR"),
            ("{\"file_name\": \"/c.png\", \"text\": \"a\"}", "line 2: /c.png is no path inside DIR"),
        ] {
            try write("{\"file_name\": \"a.png\", \"text\": \"a fox\"}\n\(line)\n", to: "metadata.jsonl")
            #expect(refusal().contains(part), "\(refusal())")
        }
        try write("\n", to: "metadata.jsonl")
        #expect(refusal().contains("lists no image"))
        #expect(refusal(template: "{class}").contains("has captions of its own"))
        try Data([0xFF, 0xFE, 0x00]).write(to: URL(fileURLWithPath: at("metadata.jsonl")))
        #expect(refusal().contains("DIR/metadata.jsonl: not text in UTF-8"))
    }

    @Test func table() throws {
        for (index, name) in ["a.png", "b.png", "c.png"].enumerated() { try image(name, index) }
        try write(
            "\u{FEFF}text,file_name\r\n\"a fox, \"\"red\"\"\nat sea\",a.png\r\n\r\na bear,b.png\r\nan owl,c.png",
            to: "metadata.csv")
        #expect(try captions() == ["a.png: a fox, \"red\"\nat sea", "b.png: a bear", "c.png: an owl"])
        for (text, part) in [
            ("name,text\na.png,a", "the first line must name the columns file_name and text"),
            ("file_name,text\na.png,a\nb.png,a fox, red", "line 3: 3 fields, wanted 2"),
            ("file_name,text\na.png,\"a fox", "a quotation mark is not closed"),
            ("file_name,text\na.png,\n", "line 2: a.png has no caption"), ("", "the first line must name"),
            ("file_name,text\n", "lists no image"),
        ] {
            try write(text, to: "metadata.csv")
            #expect(refusal().contains(part), "\(refusal())")
        }
    }

    @Test func textBesideImages() throws {
        for (index, name) in ["b.png", "a.PNG"].enumerated() {
            try image(name, index)
        }
        try write("a fox\n", to: "b.txt")
        #expect(refusal() == "DIR/a.PNG: has no caption; write it into DIR/a.txt, or into a metadata.jsonl")
        try write(" ", to: "a.txt")
        #expect(refusal().hasPrefix("DIR/a.txt: is empty"))
        try write("an owl", to: "a.txt")
        #expect(try captions() == ["a.PNG: an owl", "b.png: a fox"])
    }

    @Test func datasets() throws {
        for domain in ["art_painting", "photo", "sketch"] {
            for label in ["dog", "elephant"] { try image("\(domain)/\(label)/1.png", 1) }
        }
        #expect(
            try captions(domains: ["sketch", "art_painting"]) == [
                "art_painting/dog/1.png: an art painting of a dog",
                "art_painting/elephant/1.png: an art painting of an elephant",
                "sketch/dog/1.png: a sketch of a dog", "sketch/elephant/1.png: a sketch of an elephant",
            ])
        #expect(try captions(template: "{class} ({domain})").first == "art_painting/dog/1.png: dog (art painting)")
        // One domain with empty captions, as shift inversion has its models.
        #expect(
            try captions(template: "", domains: ["photo"]) == ["photo/dog/1.png: ", "photo/elephant/1.png: "])
        try image("sketch/dog/2.png", 2)
        try write("{\"path\": \"sketch/dog/1.png\", \"unseen\": true}", to: "manifest.jsonl")
        #expect(try captions(domains: ["sketch"]).map { $0.prefix(12) } == ["sketch/dog/2", "sketch/eleph"])
        #expect(refusal(domains: ["scetch"]).contains("no domain 'scetch'; did you mean sketch?"))
        try FileManager.default.removeItem(atPath: at("photo"))
        try FileManager.default.removeItem(atPath: at("sketch"))
        #expect(refusal().contains("or give captions: a metadata.jsonl"))
        #expect(throws: UserError.self) { try CaptionedImages(folder: at("nowhere")) }
    }

    @Test func batchesAreDrawnByEpochsAndNumbersAlone() throws {
        for index in 0..<5 {
            try image("\(index).png", index * 10)
            try write("caption \(index)", to: "\(index).txt")
        }
        let images = try CaptionedImages(folder: folder.path)
        var options = CaptionedImageLoader.Options()
        options.resolution = 8
        let loader = try CaptionedImageLoader(images, options: options, threads: 2)
        let drawn = try (0..<5).map { try loader.batch($0, size: 2) }
        let captions = drawn.flatMap(\.captions)
        // Ten images are two epochs of five.
        #expect(Set(captions[..<5]).count == 5 && Set(captions[5...]).count == 5)
        #expect(captions[..<5] != captions[5...])
        for batch in drawn {
            #expect(batch.images.shape == [2, 3, 8, 8])
            for (place, caption) in batch.captions.enumerated() {
                let number = try #require(Double(caption.suffix(1)))
                #expect(abs(batch.images[place].mean().item() * 255 - 10 * number) < 1e-3)
            }
        }
        // In another order, by another number of threads, without room in memory.
        let again = try CaptionedImageLoader(images, options: options, threads: 1, budget: 0)
        for number in [3, 0, 4] {
            let batch = try again.batch(number, size: 2)
            #expect(batch.captions == drawn[number].captions)
            #expect(batch.images.scalars(Float.self) == drawn[number].images.scalars())
        }
    }

    @Test func imagesBecomeSquares() throws {
        // Three stripes from left to right, of 20 pixels each.
        var wide = RGBImage(width: 60, height: 20, fill: .black)
        for x in 0..<60 { for y in 0..<20 { wide[x, y] = [RGB(255, 0, 0), RGB(0, 255, 0), RGB(0, 0, 255)][x / 20] } }
        try PNG.write(wide, to: at("wide.png"))
        try write("stripes", to: "wide.txt")
        var options = CaptionedImageLoader.Options()
        options.resolution = 10
        let images = try CaptionedImages(folder: folder.path)
        let center = try CaptionedImageLoader(images, options: options, threads: 1).batch(0, size: 1)
        #expect(center.images[0].mean([1, 2]).scalars(Float.self)[1] > 0.95)
        (options.crop, options.flips) = (.random, true)
        let loader = try CaptionedImageLoader(images, options: options, threads: 1)
        let means = try (0..<40).map { try loader.batch($0, size: 1).images[0].mean([1]).scalars(Float.self) }
        // Crops from all over, and both ways round: red left of green, and right of it.
        #expect(Set(means).count > 20)
        func isRedLeft(_ rows: [Float]) -> Bool { rows[0] > 0.5 && rows[19] > 0.5 }
        func isRedRight(_ rows: [Float]) -> Bool { rows[9] > 0.5 && rows[10] > 0.5 }
        #expect(means.contains(where: isRedLeft) && means.contains(where: isRedRight))
    }

    @Test func unreadableImagesAreNamed() throws {
        try image("a.png", 1)
        for name in ["a", "b"] { try write("a fox", to: "\(name).txt") }
        try write("no image", to: "b.png")
        var options = CaptionedImageLoader.Options()
        options.resolution = 8
        let error = #expect(throws: ImageError.self) {
            try CaptionedImageLoader(CaptionedImages(folder: folder.path), options: options, threads: 2)
        }
        #expect(error.map { "\($0)" }?.hasPrefix(at("b.png")) == true)
    }
}
