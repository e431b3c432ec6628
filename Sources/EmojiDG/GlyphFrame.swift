import Pixels

/// Brings a drawing on white into the data set's frame: 64×64, cropped to its ink, centred, longest side 56.
enum GlyphFrame {
    /// Width and height of an image.
    static let size = 64
    /// The longest side of the ink.
    static let inkSize = 56

    /// Scales the ink to a longest side of 56 pixels with an antialiasing filter.
    ///
    /// - Returns: nil for a drawing without ink.
    static func smooth(_ drawing: RGBImage) -> RGBImage? {
        guard let ink = cropped(drawing) else { return nil }
        let longest = Double(max(ink.width, ink.height))
        func scaled(_ side: Int) -> Int { max(1, Int((Double(side) * Double(inkSize) / longest).rounded())) }
        return framed(resized(ink, width: scaled(ink.width), height: scaled(ink.height)))
    }

    /// Enlarges the ink by the greatest whole number that keeps its longest side within 56 pixels.
    ///
    /// - Returns: nil for a drawing without ink, or one larger than the frame.
    static func pixelated(_ drawing: RGBImage) -> RGBImage? {
        guard let ink = cropped(drawing) else { return nil }
        let longest = max(ink.width, ink.height)
        return longest > inkSize ? nil : framed(ink.enlarged(inkSize / longest))
    }

    /// The smallest rectangle that holds every pixel that is not (nearly) white.
    static func cropped(_ drawing: RGBImage) -> RGBImage? {
        var (left, top, right, bottom) = (Int.max, Int.max, -1, -1)
        for y in 0..<drawing.height {
            for x in 0..<drawing.width {
                let i = (y * drawing.width + x) * 3
                guard min(drawing.pixels[i], drawing.pixels[i + 1], drawing.pixels[i + 2]) < 250 else { continue }
                left = min(left, x)
                right = max(right, x)
                top = min(top, y)
                bottom = y
            }
        }
        guard right >= 0 else { return nil }
        return drawing.cropped(x: left, y: top, width: right - left + 1, height: bottom - top + 1)
    }

    private static func framed(_ ink: RGBImage) -> RGBImage {
        var image = RGBImage(width: size, height: size)
        image.paste(ink, x: (size - ink.width) / 2, y: (size - ink.height) / 2)
        return image
    }

    /// Resizes with a triangle filter as wide as the reduction (bilinear where it enlarges), columns first.
    private static func resized(_ image: RGBImage, width: Int, height: Int) -> RGBImage {
        let columns = taps(from: image.width, to: width)
        let rows = taps(from: image.height, to: height)
        var narrow = [Float](repeating: 0, count: image.height * width * 3)
        for y in 0..<image.height {
            for x in 0..<width {
                for (offset, weight) in columns[x].weights.enumerated() {
                    let from = (y * image.width + columns[x].first + offset) * 3
                    let to = (y * width + x) * 3
                    for channel in 0..<3 { narrow[to + channel] += weight * Float(image.pixels[from + channel]) }
                }
            }
        }
        var result = RGBImage(width: width, height: height)
        var sums = [Float](repeating: 0, count: width * 3)
        for y in 0..<height {
            for i in sums.indices { sums[i] = 0 }
            for (offset, weight) in rows[y].weights.enumerated() {
                let from = (rows[y].first + offset) * width * 3
                for i in sums.indices { sums[i] += weight * narrow[from + i] }
            }
            for i in sums.indices { result.pixels[y * width * 3 + i] = UInt8(min(255, max(0, sums[i].rounded()))) }
        }
        return result
    }

    /// The source pixels and weights of each target pixel along one side.
    private static func taps(from source: Int, to target: Int) -> [(first: Int, weights: [Float])] {
        let scale = Double(source) / Double(target)
        let support = max(1, scale)
        return (0..<target).map { index in
            let centre = (Double(index) + 0.5) * scale
            let first = max(0, Int(centre - support))
            let last = min(source - 1, Int(centre + support))
            let weights = (first...last).map { max(0, 1 - abs(Double($0) + 0.5 - centre) / support) }
            let total = weights.reduce(0, +)
            return (first, weights.map { Float($0 / total) })
        }
    }
}
