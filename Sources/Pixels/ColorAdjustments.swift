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
            // In strips, so that the greys stay in the cache and the blend is one flat loop.
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 3 * 512) { greys in
                for start in stride(from: 0, to: count, by: 512) {
                    let strip = samples + start &* 3
                    let length = min(512, count &- start)
                    for i in 0..<length {
                        let grey = UInt8(truncatingIfNeeded: Self.luma(strip + i &* 3))
                        greys[i &* 3] = grey
                        greys[i &* 3 &+ 1] = grey
                        greys[i &* 3 &+ 2] = grey
                    }
                    for i in 0..<(length &* 3) { strip[i] = Self.blend(greys[i], strip[i], factor) }
                }
            }
        }
    }

    /// Turns the hue by `turns` of the colour circle, -0.5…0.5, through 8-bit HSV.
    public mutating func adjustHue(_ turns: Double) {
        let shift = UInt8(truncatingIfNeeded: Int(turns * 255))
        withSamples { samples, count in HueTurn.shared.apply(samples, count, by: shift) }
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

    /// Pillow's blend: from `ground` towards and beyond `sample`, cut to 0…255 and to a whole number.
    @inline(__always)
    private static func blend(_ ground: UInt8, _ sample: UInt8, _ factor: Float) -> UInt8 {
        let mixed = Float(ground) + factor * Float(Int32(sample) &- Int32(ground))
        return wholePart(min(max(mixed, 0), 255))
    }

    /// The whole part of a number in 0…255, without the checks of a conversion: adding 2²³ leaves the nearest whole
    /// number in the low bits.
    @inline(__always)
    private static func wholePart(_ number: Float) -> UInt8 {
        let nearest = number + 0x1p23
        let whole = nearest - 0x1p23 > number ? nearest - 1 : nearest
        return UInt8(truncatingIfNeeded: whole.bitPattern)
    }

    private static func blendTable(from ground: Int, factor: Double) -> [UInt8] {
        (0..<256).map { blend(UInt8(ground), UInt8($0), Float(factor)) }
    }
}
