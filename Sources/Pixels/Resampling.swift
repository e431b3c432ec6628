extension RGBImage {
    /// The image scaled to `width × height` pixels by bilinear interpolation with antialiasing, as Pillow's
    /// `resize(…, BILINEAR)` does, bit for bit. Pillow 13 scales the rows of some tall shapes before the columns, and
    /// there differs by one level in places.
    public func resized(width: Int, height: Int) -> RGBImage {
        resizedCrop(CropBox(x: 0, y: 0, width: self.width, height: self.height), width: width, height: height)
    }

    /// A rectangle of the image scaled to `width × height` pixels; pixels outside the rectangle have no influence.
    ///
    /// - Precondition: the rectangle lies inside the image.
    public func resizedCrop(_ box: CropBox, width: Int, height: Int) -> RGBImage {
        precondition(
            box.x >= 0 && box.y >= 0 && box.width > 0 && box.height > 0 && box.x + box.width <= self.width
                && box.y + box.height <= self.height, "\(box) is outside a \(self.width)×\(self.height) image")
        precondition(width > 0 && height > 0, "an image cannot be scaled to \(width)×\(height)")
        guard box.width != width || box.height != height else {
            return cropped(x: box.x, y: box.y, width: width, height: height)
        }
        let result = [UInt8](unsafeUninitializedCapacity: width * height * 3) { out, count in
            count = width * height * 3
            pixels.withUnsafeBufferPointer { source in
                let start = source.baseAddress! + (box.y * self.width + box.x) * 3
                let rowBytes = self.width * 3
                let target = out.baseAddress!
                if box.width == width {
                    Taps(from: box.height, to: height).scaleRows(start, rowBytes, into: target, bytes: width * 3)
                } else if box.height == height {
                    Taps(from: box.width, to: width).scaleColumns(start, rowBytes, rows: height, into: target)
                } else {
                    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: box.height * width * 3) { between in
                        let narrow = between.baseAddress!
                        Taps(from: box.width, to: width).scaleColumns(start, rowBytes, rows: box.height, into: narrow)
                        Taps(from: box.height, to: height).scaleRows(narrow, width * 3, into: target, bytes: width * 3)
                    }
                }
            }
        }
        return RGBImage(width: width, height: height, pixels: result)
    }
}

/// A rectangle of whole pixels in an image.
public struct CropBox: Sendable, Equatable {
    /// Column of the left edge, from 0.
    public var x: Int
    /// Row of the upper edge, from 0.
    public var y: Int
    /// Columns of the rectangle, at least 1.
    public var width: Int
    /// Rows of the rectangle, at least 1.
    public var height: Int

    /// The rectangle of `width × height` pixels whose top left corner is (`x`, `y`).
    public init(x: Int, y: Int, width: Int, height: Int) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }
}

/// For every output sample along one axis, the input samples it mixes and their weights in 22-bit fixed point
/// (Pillow's Resample.c: a triangle filter widened by the scale when shrinking).
private struct Taps {
    static let fractionBits: Int32 = 22

    private let size: Int
    /// The first input sample of each output sample.
    private var first: [Int] = []
    /// How many input samples each output sample mixes.
    private var lengths: [Int] = []
    /// `size` rows of `stride` weights.
    private var weights: [Int32]
    private let stride: Int

    init(from input: Int, to output: Int) {
        size = output
        let scale = Double(input) / Double(output)
        let support = max(scale, 1)
        stride = Int(support.rounded(.up)) * 2 + 1
        weights = [Int32](repeating: 0, count: output * stride)
        first.reserveCapacity(output)
        lengths.reserveCapacity(output)
        var row = [Double](repeating: 0, count: stride)
        for i in 0..<output {
            let center = (Double(i) + 0.5) * scale
            let low = max(0, Int(center - support + 0.5))
            let high = min(input, Int(center + support + 0.5))
            var sum = 0.0
            for j in low..<high {
                let weight = max(0, 1 - abs((Double(j) - center + 0.5) * (1 / support)))
                row[j - low] = weight
                sum += weight
            }
            for j in 0..<(high - low) {
                let weight = sum == 0 ? row[j] : row[j] / sum
                weights[i * stride + j] = Int32(0.5 + weight * Double(1 << Self.fractionBits))
            }
            first.append(low)
            lengths.append(high - low)
        }
    }

    @inline(__always)
    private static func clipped(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(max(sum >> fractionBits, 0), 255))
    }

    /// Scales every row of RGB pixels to `size` pixels.
    func scaleColumns(
        _ source: UnsafePointer<UInt8>, _ rowBytes: Int, rows: Int, into target: UnsafeMutablePointer<UInt8>
    ) {
        let half = Int32(1) << (Self.fractionBits - 1)
        weights.withUnsafeBufferPointer { weights in
            first.withUnsafeBufferPointer { first in
                lengths.withUnsafeBufferPointer { lengths in
                    var out = target
                    for y in 0..<rows {
                        let row = source + y &* rowBytes
                        for i in 0..<size {
                            var (red, green, blue) = (half, half, half)
                            var pixel = row + first[i] &* 3
                            var weight = weights.baseAddress! + i &* stride
                            for _ in 0..<lengths[i] {
                                red &+= Int32(pixel[0]) &* weight[0]
                                green &+= Int32(pixel[1]) &* weight[0]
                                blue &+= Int32(pixel[2]) &* weight[0]
                                pixel += 3
                                weight += 1
                            }
                            out[0] = Self.clipped(red)
                            out[1] = Self.clipped(green)
                            out[2] = Self.clipped(blue)
                            out += 3
                        }
                    }
                }
            }
        }
    }

    /// Mixes rows of `bytes` samples into `size` rows.
    func scaleRows(
        _ source: UnsafePointer<UInt8>, _ rowBytes: Int, into target: UnsafeMutablePointer<UInt8>, bytes: Int
    ) {
        let half = Int32(1) << (Self.fractionBits - 1)
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: bytes) { buffer in
            let sums = buffer.baseAddress!
            for i in 0..<size {
                for x in 0..<bytes { sums[x] = half }
                for j in 0..<lengths[i] {
                    let weight = weights[i * stride + j]
                    let row = source + (first[i] + j) * rowBytes
                    for x in 0..<bytes { sums[x] &+= Int32(row[x]) &* weight }
                }
                let out = target + i * bytes
                for x in 0..<bytes { out[x] = Self.clipped(sums[x]) }
            }
        }
    }
}
