/// How 8-bit samples become the numbers that a network reads: `(sample / 255 - mean) / deviation`, per channel.
public struct Normalization: Sendable, Equatable {
    /// Means of red, green and blue, in 0…1.
    public let mean: [Float]
    /// Standard deviations of red, green and blue.
    public let deviation: [Float]
    /// The number of every sample: three tables of 256.
    private let table: [Float]

    /// A normalisation by three means and three deviations.
    /// - Precondition: three means and three deviations above 0.
    public init(mean: [Float], deviation: [Float]) {
        precondition(
            mean.count == 3 && deviation.count == 3 && deviation.allSatisfy { $0 > 0 },
            "a normalisation has three means and three deviations above 0, not \(mean) and \(deviation)")
        self.mean = mean
        self.deviation = deviation
        table = (0..<3).flatMap { channel in
            (0..<256).map { (Float($0) / 255 - mean[channel]) / deviation[channel] }
        }
    }

    /// torchvision's, for networks trained on ImageNet.
    public static let imageNet = Normalization(mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])
    /// OpenAI CLIP's means and deviations, which its own weights were trained with.
    public static let clip = Normalization(
        mean: [0.48145466, 0.4578275, 0.40821073], deviation: [0.26862954, 0.26130258, 0.27577711])
    /// Samples as numbers in 0…1: means of 0, deviations of 1.
    public static let none = Normalization(mean: [0, 0, 0], deviation: [1, 1, 1])
    /// -1…1, for the autoencoder of a latent diffusion model.
    public static let signed = Normalization(mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5])

    /// Writes an image as channel planes `[3, height, width]`.
    ///
    /// - Precondition: `buffer` holds `3 × height × width` numbers.
    public func write(_ image: RGBImage, into buffer: UnsafeMutableBufferPointer<Float>) {
        let count = image.width * image.height
        precondition(buffer.count == count * 3, "\(image) does not fill \(buffer.count) numbers")
        let out = buffer.baseAddress!
        table.withUnsafeBufferPointer { table in
            image.pixels.withUnsafeBufferPointer { pixels in
                for i in 0..<count {
                    out[i] = table[Int(pixels[i &* 3])]
                    out[count &+ i] = table[256 &+ Int(pixels[i &* 3 &+ 1])]
                    out[2 &* count &+ i] = table[512 &+ Int(pixels[i &* 3 &+ 2])]
                }
            }
        }
    }

    /// The image as channel planes `[3, height, width]`.
    public func planes(_ image: RGBImage) -> [Float] {
        [Float](unsafeUninitializedCapacity: image.pixels.count) { buffer, count in
            count = image.pixels.count
            write(image, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// The image of channel planes `[3, height, width]`: the inverse of ``write(_:into:)``, rounded and cut to 0…255.
    /// Numbers that are not finite become 0.
    ///
    /// - Precondition: `planes` holds `3 × height × width` numbers.
    public func image(_ planes: UnsafeBufferPointer<Float>, width: Int, height: Int) -> RGBImage {
        let count = width * height
        precondition(planes.count == count * 3, "\(planes.count) numbers are not a \(width)×\(height) RGB image")
        let pixels = [UInt8](unsafeUninitializedCapacity: count * 3) { out, written in
            written = count * 3
            for channel in 0..<3 {
                let (mean, deviation) = (mean[channel], deviation[channel])
                for i in 0..<count {
                    let sample = ((planes[channel * count + i] * deviation + mean) * 255).rounded()
                    out[i * 3 + channel] = sample.isFinite ? UInt8(min(max(sample, 0), 255)) : 0
                }
            }
        }
        return RGBImage(width: width, height: height, pixels: pixels)
    }
}
