/// Composes RGBA pixels over one colour into RGB, rounded as Pillow's paste with a mask does.
///
/// - Parameter rgba: straight (not premultiplied) alpha, `width × height × 4` bytes.
func composed(rgba: UnsafePointer<UInt8>, width: Int, height: Int, over background: RGB) -> RGBImage {
    let count = width * height
    let pixels = [UInt8](unsafeUninitializedCapacity: count * 3) { out, written in
        written = count * 3
        let ground = (Int(background.red), Int(background.green), Int(background.blue))
        func blend(_ colour: UInt8, _ under: Int, _ alpha: Int) -> UInt8 {
            let sum = Int(colour) &* alpha &+ under &* (255 &- alpha) &+ 128
            return UInt8(truncatingIfNeeded: (sum &+ (sum >> 8)) >> 8)
        }
        for i in 0..<count {
            let alpha = Int(rgba[i &* 4 &+ 3])
            out[i &* 3] = blend(rgba[i &* 4], ground.0, alpha)
            out[i &* 3 &+ 1] = blend(rgba[i &* 4 &+ 1], ground.1, alpha)
            out[i &* 3 &+ 2] = blend(rgba[i &* 4 &+ 2], ground.2, alpha)
        }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
}
