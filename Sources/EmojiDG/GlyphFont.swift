import CGlyphs
import Pixels

/// A font file, drawn through FreeType. One font is used by one task at a time.
final class GlyphFont {
    private let path: String
    private let font: OpaquePointer

    /// - Throws: ``EmojiError/unreadable(_:reason:)`` for a file that is no font.
    init(_ path: String) throws {
        self.path = path
        var font: OpaquePointer?
        let status = cglyphs_open(path, &font)
        guard status == 0, let font else {
            throw EmojiError.unreadable(path, reason: "not a font (FreeType error \(status))")
        }
        self.font = font
    }

    deinit {
        cglyphs_close(font)
    }

    private static func check(_ status: Int32, _ path: String) throws {
        guard status == 0 else { throw EmojiError.unreadable(path, reason: "FreeType error \(status)") }
    }

    /// The index of a character's glyph; nil where the font has none.
    private func glyphIndex(_ codePoint: UInt32) -> UInt32? {
        let index = cglyphs_index(font, codePoint)
        return index == 0 ? nil : index
    }

    /// The colour bitmap of a character, over white, from the font's only strike (CBDT).
    ///
    /// - Returns: nil where the font has no such glyph.
    /// - Throws: ``EmojiError/unreadable(_:reason:)`` where the font has no colour bitmaps.
    func strikeImage(_ codePoint: UInt32) throws -> RGBImage? {
        guard let index = glyphIndex(codePoint) else { return nil }
        guard cglyphs_strike_count(font) > 0 else {
            throw EmojiError.unreadable(path, reason: "no bitmap strike in this font")
        }
        var bitmap = cglyphs_bitmap()
        try Self.check(cglyphs_strike(font, index, &bitmap), path)
        guard bitmap.format == CGLYPHS_BGRA, bitmap.width > 0, let bytes = bitmap.pixels else { return nil }
        var image = RGBImage(width: Int(bitmap.width), height: Int(bitmap.height))
        var to = 0
        for y in 0..<image.height {
            let row = bytes + y * Int(bitmap.pitch)
            for x in 0..<image.width {
                // Blue, green, red (premultiplied), alpha.
                let pixel = row + x * 4
                let white = 255 - Int(pixel[3])
                for channel in 0..<3 { image.pixels[to + channel] = UInt8(min(255, Int(pixel[2 - channel]) + white)) }
                to += 3
            }
        }
        return image
    }

    /// The outline of a character, black on white.
    ///
    /// - Parameters:
    ///   - pixelsPerEm: the size it is drawn at.
    ///   - smooth: grey edges; otherwise every pixel is black or white.
    /// - Returns: nil where the font has no such glyph.
    func outlineImage(_ codePoint: UInt32, pixelsPerEm: Int, smooth: Bool) throws -> RGBImage? {
        guard let index = glyphIndex(codePoint) else { return nil }
        try Self.check(cglyphs_set_size(font, UInt32(pixelsPerEm)), path)
        return try Self.image(of: [Layer(coverage: coverage(index, smooth: smooth), colour: .black)])
    }

    /// The coloured layers of a character (COLR version 0 and the first palette of CPAL), over white.
    ///
    /// - Returns: nil where the font has no such glyph, or the glyph has no layers.
    func layeredImage(_ codePoint: UInt32, pixelsPerEm: Int) throws -> RGBImage? {
        guard let index = glyphIndex(codePoint) else { return nil }
        try Self.check(cglyphs_set_size(font, UInt32(pixelsPerEm)), path)
        var hasPalette: Int32 = 0
        try Self.check(cglyphs_begin_layers(font, index, &hasPalette), path)
        guard hasPalette != 0 else { throw EmojiError.unreadable(path, reason: "no colour palette in this font") }
        var layers: [Layer] = []
        var layerGlyph: UInt32 = 0
        var rgba = [UInt8](repeating: 0, count: 4)
        while cglyphs_next_layer(font, &layerGlyph, &rgba) != 0 {
            try layers.append(
                Layer(
                    coverage: coverage(layerGlyph, smooth: true), colour: RGB(rgba[0], rgba[1], rgba[2]),
                    alpha: Int(rgba[3])))
        }
        return Self.image(of: layers)
    }

    /// How much of each pixel an outline covers (0…255), and where its top left corner lies from the origin.
    private struct Coverage {
        var left = 0
        var top = 0
        var width = 0
        var height = 0
        var values: [UInt8] = []
    }

    private struct Layer {
        let coverage: Coverage
        let colour: RGB
        var alpha = 255
    }

    private func coverage(_ index: UInt32, smooth: Bool) throws -> Coverage {
        var bitmap = cglyphs_bitmap()
        try Self.check(cglyphs_outline(font, index, smooth ? 1 : 0, &bitmap), path)
        let (width, height) = (Int(bitmap.width), Int(bitmap.height))
        guard width > 0, height > 0, let bytes = bitmap.pixels else { return Coverage() }
        var values: [UInt8] = []
        values.reserveCapacity(width * height)
        for y in 0..<height {
            let row = bytes + y * Int(bitmap.pitch)
            for x in 0..<width {
                values.append(smooth ? row[x] : (row[x / 8] >> (7 - UInt8(x % 8)) & 1) * 255)
            }
        }
        return Coverage(
            left: Int(bitmap.left), top: Int(bitmap.top), width: width, height: height, values: values)
    }

    /// The layers, one over the other, over white; nil if they cover nothing.
    private static func image(of layers: [Layer]) -> RGBImage? {
        let layers = layers.filter { $0.coverage.width > 0 }
        guard let left = layers.map(\.coverage.left).min(), let top = layers.map(\.coverage.top).min(),
            let right = layers.map({ $0.coverage.left + $0.coverage.width }).max(),
            let bottom = layers.map({ $0.coverage.top + $0.coverage.height }).max()
        else { return nil }
        var image = RGBImage(width: right - left, height: bottom - top)
        for layer in layers {
            let coverage = layer.coverage
            let colour = [layer.colour.red, layer.colour.green, layer.colour.blue].map(Int.init)
            for y in 0..<coverage.height {
                var to = ((coverage.top - top + y) * image.width + coverage.left - left) * 3
                for x in 0..<coverage.width {
                    let weight = Int(coverage.values[y * coverage.width + x]) * layer.alpha
                    for channel in 0..<3 {
                        let under = Int(image.pixels[to + channel])
                        let mixed = under * (65_025 - weight) + colour[channel] * weight
                        image.pixels[to + channel] = UInt8((mixed + 32_512) / 65_025)
                    }
                    to += 3
                }
            }
        }
        return image
    }
}
