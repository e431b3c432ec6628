import Pixels
import Testing
import Torch

@testable import DomainGeneralization

struct RGBImageTensorTests {
    @Test func everyLevelComesBack() {
        var image = RGBImage(width: 16, height: 17)
        for index in 0..<image.pixels.count { image.pixels[index] = UInt8(index % 256) }
        let tensor = image.tensor()
        #expect(tensor.shape == [1, 3, 17, 16])
        #expect(tensor.max().item() == 1)
        #expect(tensor[0][1][0][2].item() == Double(Float(image[2, 0].green) / 255))
        #expect(Tensor.concatenated([tensor, 1 - tensor]).rgbImages()[0] == image)
    }

    @Test func valuesAreRoundedAndCutOff() {
        let tensor = Tensor([-1, 0.499 / 255, 0.501 / 255, 254.4 / 255, 2, Float.nan], shape: [1, 3, 1, 2])
        // Planes are red, green, blue of two pixels.
        #expect(tensor.rgbImages() == [RGBImage(width: 2, height: 1, pixels: [0, 1, 255, 0, 254, 0])])
    }
}
