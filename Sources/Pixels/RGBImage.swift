/// An 8-bit colour, red, green and blue in 0…255.
public struct RGB: Sendable, Hashable {
    /// The red part, 0…255.
    public var red: UInt8
    /// The green part, 0…255.
    public var green: UInt8
    /// The blue part, 0…255.
    public var blue: UInt8

    /// A colour of three parts: `RGB(255, 127, 14)` is an orange.
    public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    /// The brightest colour, the paper of charts.
    public static let white = RGB(255, 255, 255)
    /// The darkest colour, the ink of charts.
    public static let black = RGB(0, 0, 0)

    /// The colour as an SVG or CSS value: `#1f77b4`.
    public var hex: String {
        let digits = Array("0123456789abcdef")
        return "#" + [red, green, blue].map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined()
    }
}

/// An image of 8-bit RGB pixels in rows from the top: `pixels[(y * width + x) * 3 + channel]`.
public struct RGBImage: Sendable, Equatable, CustomStringConvertible {
    /// Columns of the image, at least 1.
    public let width: Int
    /// Rows of the image, at least 1.
    public let height: Int
    /// `height × width × 3` bytes, red first.
    public var pixels: [UInt8]

    /// An image of one colour.
    ///
    /// - Precondition: width and height are at least 1.
    public init(width: Int, height: Int, fill: RGB = .white) {
        precondition(width > 0 && height > 0, "an image is at least 1×1, not \(width)×\(height)")
        self.width = width
        self.height = height
        pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
            count = width * height * 3
            for i in stride(from: 0, to: count, by: 3) {
                buffer[i] = fill.red
                buffer[i + 1] = fill.green
                buffer[i + 2] = fill.blue
            }
        }
    }

    /// An image over pixels that exist: `height × width × 3` bytes, row by row, red first.
    ///
    /// - Precondition: the number of bytes is `width * height * 3`.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(
            width > 0 && height > 0 && pixels.count == width * height * 3,
            "\(pixels.count) bytes are not a \(width)×\(height) RGB image")
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// The size in words, as in `640×480 RGB image`.
    public var description: String { "\(width)×\(height) RGB image" }

    /// The colour at column `x` and row `y`.
    public subscript(x: Int, y: Int) -> RGB {
        get {
            let i = (y * width + x) * 3
            return RGB(pixels[i], pixels[i + 1], pixels[i + 2])
        }
        set {
            let i = (y * width + x) * 3
            pixels[i] = newValue.red
            pixels[i + 1] = newValue.green
            pixels[i + 2] = newValue.blue
        }
    }

    /// The rectangle of `width × height` pixels whose top left corner is (`x`, `y`).
    ///
    /// - Precondition: the rectangle lies inside the image.
    public func cropped(x: Int, y: Int, width: Int, height: Int) -> RGBImage {
        precondition(
            x >= 0 && y >= 0 && x + width <= self.width && y + height <= self.height,
            "crop \(width)×\(height) at (\(x), \(y)) is outside a \(self.width)×\(self.height) image")
        var result: [UInt8] = []
        result.reserveCapacity(width * height * 3)
        for row in y..<(y + height) {
            let start = (row * self.width + x) * 3
            result.append(contentsOf: pixels[start..<(start + width * 3)])
        }
        return RGBImage(width: width, height: height, pixels: result)
    }

    /// Copies `image` with its top left corner at (`x`, `y`); what falls outside is left out.
    public mutating func paste(_ image: RGBImage, x: Int, y: Int) {
        let left = max(0, x)
        let right = min(width, x + image.width)
        guard left < right else { return }
        for row in max(0, y)..<max(0, y, min(height, y + image.height)) {
            let from = ((row - y) * image.width + left - x) * 3
            let to = (row * width + left) * 3
            let bytes = (right - left) * 3
            pixels.replaceSubrange(to..<(to + bytes), with: image.pixels[from..<(from + bytes)])
        }
    }

    /// The image with every pixel repeated `factor × factor` times.
    public func enlarged(_ factor: Int) -> RGBImage {
        precondition(factor > 0, "an image is enlarged by a whole number of at least 1, not \(factor)")
        guard factor > 1 else { return self }
        var result: [UInt8] = []
        result.reserveCapacity(pixels.count * factor * factor)
        var line: [UInt8] = []
        line.reserveCapacity(width * factor * 3)
        for y in 0..<height {
            line.removeAll(keepingCapacity: true)
            for x in 0..<width {
                let i = (y * width + x) * 3
                for _ in 0..<factor { line.append(contentsOf: pixels[i..<(i + 3)]) }
            }
            for _ in 0..<factor { result.append(contentsOf: line) }
        }
        return RGBImage(width: width * factor, height: height * factor, pixels: result)
    }
}
