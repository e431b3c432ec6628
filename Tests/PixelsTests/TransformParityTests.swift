import Foundation
import Pixels
import Testing

/// Compares with what torchvision makes on Pillow images with the same parameters: bit for bit.
@Suite struct TransformParityTests {
    struct Case: Decodable, CustomTestStringConvertible {
        let kind: String
        let file: String
        var numbers: [Double]?
        var order: [Int]?
        var testDescription: String { file }

        static func all() throws -> [Case] {
            try JSONDecoder().decode([Case].self, from: Data(Fixtures.bytes("transforms/index.json")))
        }
    }

    @Test(arguments: try Case.all())
    func equalsTorchvision(_ test: Case) throws {
        var image = try Fixtures.ppm("transforms/input.ppm")
        let numbers = test.numbers ?? []
        switch test.kind {
        case "resize": image = image.resized(width: Int(numbers[0]), height: Int(numbers[1]))
        case "crop":
            let box = CropBox(
                x: Int(numbers[0]), y: Int(numbers[1]), width: Int(numbers[2]), height: Int(numbers[3]))
            image = image.resizedCrop(box, width: 32, height: 32)
        case "flip": image.flipHorizontally()
        case "brightness": image.adjustBrightness(numbers[0])
        case "contrast": image.adjustContrast(numbers[0])
        case "saturation": image.adjustSaturation(numbers[0])
        case "hue": image.adjustHue(numbers[0])
        case "grey": image.makeGrayscale()
        case "jitter":
            let amounts = ColorJitter.Amounts(
                order: try #require(test.order).compactMap(ColorJitter.Change.init), brightness: numbers[0],
                contrast: numbers[1], saturation: numbers[2], hue: numbers[3])
            ColorJitter.apply(amounts, to: &image)
        default: Issue.record("unknown kind \(test.kind)")
        }
        #expect(distance(image, try Fixtures.ppm("transforms/\(test.file)")) == 0)
    }

    @Test func normalisesAsTorchvision() throws {
        let image = try Fixtures.ppm("transforms/small.ppm")
        let expected = try JSONDecoder().decode(
            [String: [Float]].self, from: Data(Fixtures.bytes("transforms/normalised.json")))
        for (name, normalization) in [
            ("none", Normalization.none), ("signed", .signed), ("imageNet", .imageNet), ("clip", .clip),
        ] {
            let planes = normalization.planes(image)
            let difference = zip(planes, try #require(expected[name])).map { abs($0 - $1) }.max()
            #expect(try #require(difference) <= (name == "signed" ? 1e-7 : 0), "\(name)")
            let back = planes.withUnsafeBufferPointer {
                normalization.image($0, width: image.width, height: image.height)
            }
            #expect(back == image, "\(name)")
        }
    }
}
