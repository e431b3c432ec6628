/// The colour operations of torchvision on Pillow images, bit for bit.
extension RGBImage {
    /// Scales every sample by `factor`; 1 changes nothing, 0 gives black.
    public mutating func adjustBrightness(_ factor: Double) {
        map(Self.blendTable(from: 0, factor: factor))
    }

    /// Moves every sample away from the mean grey by `factor`; 1 changes nothing, 0 gives that grey.
    public mutating func adjustContrast(_ factor: Double) {
        let sum = withSamples { samples, count in
            var sum = 0
            for i in 0..<count { sum &+= Self.luma(samples + i &* 3) }
            return sum
        }
        let mean = Int(Double(sum) / Double(width * height) + 0.5)
        map(Self.blendTable(from: mean, factor: factor))
    }

    /// Moves every pixel away from its grey by `factor`; 1 changes nothing, 0 gives greyscale.
    public mutating func adjustSaturation(_ factor: Double) {
        let factor = Float(factor)
        withSamples { samples, count in
            for i in 0..<count {
                let pixel = samples + i &* 3
                let grey = Self.luma(pixel)
                for channel in 0..<3 {
                    pixel[channel] = Self.blend(grey, Int(pixel[channel]), factor)
                }
            }
        }
    }

    /// Turns the hue by `turns` of the colour circle, -0.5…0.5, through 8-bit HSV.
    public mutating func adjustHue(_ turns: Double) {
        let shift = UInt8(truncatingIfNeeded: Int(turns * 255))
        withSamples { samples, count in HueTable.shared.turn(samples, count, by: shift) }
    }

    /// Replaces every pixel by its luma.
    public mutating func makeGrayscale() {
        withSamples { samples, count in
            for i in 0..<count {
                let pixel = samples + i &* 3
                let grey = UInt8(truncatingIfNeeded: Self.luma(pixel))
                pixel[0] = grey
                pixel[1] = grey
                pixel[2] = grey
            }
        }
    }

    /// Swaps left and right.
    public mutating func flipHorizontally() {
        let (width, height) = (width, height)
        withSamples { samples, _ in
            for y in 0..<height {
                var left = samples + y &* width &* 3
                var right = left + (width &- 1) &* 3
                while left < right {
                    (left[0], right[0]) = (right[0], left[0])
                    (left[1], right[1]) = (right[1], left[1])
                    (left[2], right[2]) = (right[2], left[2])
                    left += 3
                    right -= 3
                }
            }
        }
    }

    /// Gives `body` the samples and the number of pixels.
    private mutating func withSamples<T>(_ body: (UnsafeMutablePointer<UInt8>, Int) -> T) -> T {
        let count = width * height
        return pixels.withUnsafeMutableBufferPointer { body($0.baseAddress!, count) }
    }

    private mutating func map(_ table: [UInt8]) {
        withSamples { samples, count in
            table.withUnsafeBufferPointer { table in
                for i in 0..<(count &* 3) { samples[i] = table[Int(samples[i])] }
            }
        }
    }

    /// ITU-R 601 luma in 16-bit fixed point.
    @inline(__always)
    private static func luma(_ pixel: UnsafeMutablePointer<UInt8>) -> Int {
        (Int(pixel[0]) &* 19595 &+ Int(pixel[1]) &* 38470 &+ Int(pixel[2]) &* 7471 &+ 0x8000) >> 16
    }

    /// Pillow's blend: from `ground` towards and beyond `sample`, cut to 0…255.
    @inline(__always)
    private static func blend(_ ground: Int, _ sample: Int, _ factor: Float) -> UInt8 {
        let mixed = Float(ground) + factor * Float(sample &- ground)
        return UInt8(truncatingIfNeeded: Int32(min(max(mixed, 0), 255)))
    }

    private static func blendTable(from ground: Int, factor: Double) -> [UInt8] {
        (0..<256).map { blend(ground, $0, Float(factor)) }
    }
}

/// Turns hues as Pillow's conversion to 8-bit HSV and back does.
private struct HueTable: Sendable {
    static let shared = HueTable()

    /// For every 8-bit hue, its sector of the colour circle, 0…5, and the place inside it, 0..<1.
    private let sectors: [(sector: Int, place: Float)]

    private init() {
        sectors = (0..<256).map { hue in
            let sixth = Double(hue) * 6 / 255
            return (Int(sixth) % 6, Float(sixth - Double(Int(sixth))))
        }
    }

    func turn(_ samples: UnsafeMutablePointer<UInt8>, _ count: Int, by shift: UInt8) {
        sectors.withUnsafeBufferPointer { sectors in
            for i in 0..<count {
                let pixel = samples + i &* 3
                let (red, green, blue) = (pixel[0], pixel[1], pixel[2])
                let most = max(red, green, blue)
                let least = min(red, green, blue)
                guard most != least else { continue }
                let range = Float(most &- least)
                let saturation = UInt8(Double(range / Float(most)) * 255)
                guard saturation > 0 else {
                    (pixel[0], pixel[1], pixel[2]) = (most, most, most)
                    continue
                }
                let hue = Self.hue(
                    red: Float(most &- red) / range, green: Float(most &- green) / range,
                    blue: Float(most &- blue) / range, isRed: red == most, isGreen: green == most)
                let (sector, place) = sectors[Int(hue &+ shift)]

                let strength = Float(Double(saturation) / 255)
                let value = Double(most)
                let p = UInt8(value * (1 - Double(strength)) + 0.5)
                let q = UInt8(value * (1 - Double(strength * place)) + 0.5)
                let t = UInt8(value * (1 - Double(strength) * (1 - Double(place))) + 0.5)
                switch sector {
                case 0: (pixel[0], pixel[1], pixel[2]) = (most, t, p)
                case 1: (pixel[0], pixel[1], pixel[2]) = (q, most, p)
                case 2: (pixel[0], pixel[1], pixel[2]) = (p, most, t)
                case 3: (pixel[0], pixel[1], pixel[2]) = (p, q, most)
                case 4: (pixel[0], pixel[1], pixel[2]) = (t, p, most)
                default: (pixel[0], pixel[1], pixel[2]) = (most, p, q)
                }
            }
        }
    }

    /// The 8-bit hue of a colour given by how far each channel is from the strongest, in ranges.
    @inline(__always)
    private static func hue(red: Float, green: Float, blue: Float, isRed: Bool, isGreen: Bool) -> UInt8 {
        let sixths: Float =
            isRed
            ? blue - green
            : isGreen ? Float(2 + Double(red) - Double(blue)) : Float(4 + Double(green) - Double(red))
        let turned = Double(sixths) / 6 + 1
        return UInt8(Double(Float(turned >= 1 ? turned - 1 : turned)) * 255)
    }
}
