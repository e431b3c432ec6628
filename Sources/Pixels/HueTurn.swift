/// Turns hues as Pillow's conversion to 8-bit HSV and back does, bit for bit, with tables for the way there.
struct HueTurn: Sendable {
    /// Built on first use, in a few milliseconds.
    static let shared = HueTurn()

    /// What an 8-bit hue says of the way back to RGB.
    private struct Sector {
        /// The place in a sixth of the colour circle, 0..<1.
        var place: Float
        /// Where red, green and blue stand in the word of (most, p, q, t): shifts by bits.
        var red, green, blue: UInt32
    }

    private let sectors: [Sector]
    /// 8-bit saturation by `range << 8 | most`, where `range` is the strongest less the weakest channel.
    private let saturations: [UInt8]
    /// 8-bit hue by `kind << 16 | range << 8 | middle`, where `middle` is how far the middle channel is below the
    /// strongest, and `kind` is twice the strongest channel plus one if the middle channel is the one after it.
    private let hues: [UInt8]

    private init() {
        // The shifts of most, p, q and t.
        let (most, p, q, t): (UInt32, UInt32, UInt32, UInt32) = (0, 8, 16, 24)
        let orders = [(most, t, p), (q, most, p), (p, most, t), (p, q, most), (t, p, most), (most, p, q)]
        sectors = (0..<256).map { hue in
            let sixth = Double(hue) * 6 / 255
            let (red, green, blue) = orders[Int(sixth) % 6]
            return Sector(place: Float(sixth - Double(Int(sixth))), red: red, green: green, blue: blue)
        }
        var saturations = [UInt8](repeating: 0, count: 1 << 16)
        var hues = [UInt8](repeating: 0, count: 6 << 16)
        for range in 1..<256 {
            for most in range..<256 {
                saturations[range << 8 | most] = UInt8(Double(Float(range) / Float(most)) * 255)
            }
            for middle in 0...range {
                let part = Float(middle) / Float(range)
                for kind in 0..<6 {
                    // Pillow's order of operations and widths: single precision in the first sector alone.
                    let (after, before) = kind & 1 == 1 ? (Float(1), part) : (part, Float(1))
                    let sixths =
                        kind < 2 ? after - before : Float(Double(kind / 2 * 2) + Double(after) - Double(before))
                    let turned = Double(sixths) / 6 + 1
                    hues[kind << 16 | range << 8 | middle] = UInt8(
                        Double(Float(turned >= 1 ? turned - 1 : turned)) * 255)
                }
            }
        }
        self.saturations = saturations
        self.hues = hues
    }

    /// Turns `count` RGB pixels by `shift` / 255 of the circle.
    func apply(_ samples: UnsafeMutablePointer<UInt8>, _ count: Int, by shift: UInt8) {
        sectors.withUnsafeBufferPointer { sectors in
            saturations.withUnsafeBufferPointer { saturations in
                hues.withUnsafeBufferPointer { hues in
                    for i in 0..<count {
                        let pixel = samples + i &* 3
                        let (red, green, blue) = (Int(pixel[0]), Int(pixel[1]), Int(pixel[2]))
                        let most = max(red, max(green, blue))
                        let least = min(red, min(green, blue))
                        let range = most &- least
                        let middle = range &- (red &+ green &+ blue &- most &- least &- least)
                        // All ones or all zeros, for choices without branches: colours cannot be predicted.
                        let notRed = (red &- most) >> 63
                        let notGreen = (green &- most) >> 63
                        let strongest = notRed & (2 &+ (notGreen & 2))
                        // The channel before the strongest on the circle; the weakest, if the middle one is after.
                        let before = (blue & ~notRed) | (notRed & ((red & ~notGreen) | (green & notGreen)))
                        let kind = strongest &+ 1 &+ ((least &- before) >> 63)
                        let hue = hues[kind << 16 | range << 8 | middle] &+ shift
                        let sector = sectors[Int(hue)]

                        // A grey has saturation 0, and p, q and t are the grey.
                        let strength = Float(Double(saturations[range << 8 | most]) / 255)
                        let value = Double(most)
                        let p = Self.rounded(value * (1 - Double(strength)))
                        let q = Self.rounded(value * (1 - Double(strength * sector.place)))
                        let t = Self.rounded(value * (1 - Double(strength) * (1 - Double(sector.place))))
                        let word = UInt32(truncatingIfNeeded: most) | p << 8 | q << 16 | t << 24
                        pixel[0] = UInt8(truncatingIfNeeded: word &>> sector.red)
                        pixel[1] = UInt8(truncatingIfNeeded: word &>> sector.green)
                        pixel[2] = UInt8(truncatingIfNeeded: word &>> sector.blue)
                    }
                }
            }
        }
    }

    /// A number in 0…255 rounded half up, without the checks of a conversion: adding 2⁵² leaves the nearest whole
    /// number in the low bits. What is added before turns a tie upwards, and is less than any other number's distance
    /// from one.
    @inline(__always)
    static func rounded(_ number: Double) -> UInt32 {
        UInt32(truncatingIfNeeded: ((number + 0x1p-44) + 0x1p52).bitPattern) & 0xFF
    }
}
