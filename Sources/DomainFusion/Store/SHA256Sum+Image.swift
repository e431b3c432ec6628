import Foundations
import Pixels

extension SHA256Sum {
    /// The sum of an image's size and pixels, whatever file it came from: 64 hexadecimal digits.
    public static func of(_ image: RGBImage) -> String {
        let size = [Int64(image.width).littleEndian, Int64(image.height).littleEndian]
        return size.withUnsafeBytes { size in image.pixels.withUnsafeBytes { of(size, $0) } }
    }
}
