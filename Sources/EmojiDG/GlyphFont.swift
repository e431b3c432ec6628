import CGlyphs
import Pixels

/// A font file, drawn through FreeType. One font is used by one task at a time.
final class GlyphFont {
    private let path: String
    private var library: FT_Library?
    private var face: FT_Face

    /// FreeType's load flags (macros that Swift does not import).
    private enum Load {
        static let noHinting: Int32 = 1 << 1
        static let noBitmap: Int32 = 1 << 3
        static let colour: Int32 = 1 << 20
        static let monochromeTarget: Int32 = 2 << 16
    }

    /// - Throws: ``EmojiError/unreadable(_:reason:)`` for a file that is no font.
    init(_ path: String) throws {
        self.path = path
        var library: FT_Library?
        try Self.check(FT_Init_FreeType(&library), path)
        var face: FT_Face?
        let status = FT_New_Face(library, path, 0, &face)
        guard status == 0, let face else {
            FT_Done_FreeType(library)
            throw EmojiError.unreadable(path, reason: "not a font (FreeType error \(status))")
        }
        self.library = library
        self.face = face
    }

    deinit {
        FT_Done_Face(face)
        FT_Done_FreeType(library)
    }

    private static func check(_ status: FT_Error, _ path: String) throws {
        guard status == 0 else { throw EmojiError.unreadable(path, reason: "FreeType error \(status)") }
    }

    /// The index of a character's glyph; nil where the font has none.
    private func glyphIndex(_ codePoint: UInt32) -> FT_UInt? {
        let index = FT_Get_Char_Index(face, FT_ULong(codePoint))
        return index == 0 ? nil : index
    }

    /// The colour bitmap of a character, over white, from the font's only strike (CBDT).
    ///
    /// - Returns: nil where the font has no such glyph.
    /// - Throws: ``EmojiError/unreadable(_:reason:)`` where the font has no colour bitmaps.
    func strikeImage(_ codePoint: UInt32) throws -> RGBImage? {
        guard let index = glyphIndex(codePoint) else { return nil }
        guard face.pointee.num_fixed_sizes > 0 else {
            throw EmojiError.unreadable(path, reason: "no bitmap strike in this font")
        }
        try Self.check(FT_Select_Size(face, 0), path)
        try Self.check(FT_Load_Glyph(face, index, Load.colour), path)
        let bitmap = face.pointee.glyph.pointee.bitmap
        guard bitmap.pixel_mode == UInt8(FT_PIXEL_MODE_BGRA.rawValue), bitmap.width > 0, let bytes = bitmap.buffer
        else { return nil }
        var image = RGBImage(width: Int(bitmap.width), height: Int(bitmap.rows))
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
        try Self.check(FT_Set_Pixel_Sizes(face, 0, FT_UInt(pixelsPerEm)), path)
        return try Self.image(of: [Layer(coverage: coverage(index, smooth: smooth), colour: .black)])
    }

    /// The coloured layers of a character (COLR version 0 and the first palette of CPAL), over white.
    ///
    /// - Returns: nil where the font has no such glyph, or the glyph has no layers.
    func layeredImage(_ codePoint: UInt32, pixelsPerEm: Int) throws -> RGBImage? {
        guard let index = glyphIndex(codePoint) else { return nil }
        try Self.check(FT_Set_Pixel_Sizes(face, 0, FT_UInt(pixelsPerEm)), path)
        var palette: UnsafeMutablePointer<FT_Color>?
        try Self.check(FT_Palette_Select(face, 0, &palette), path)
        guard let palette else { throw EmojiError.unreadable(path, reason: "no colour palette in this font") }
        var layers: [Layer] = []
        var iterator = FT_LayerIterator()
        var layerGlyph: FT_UInt = 0
        var colour: FT_UInt = 0
        while FT_Get_Color_Glyph_Layer(face, index, &layerGlyph, &colour, &iterator) != 0 {
            // 0xFFFF stands for the text colour.
            let entry = colour == 0xFFFF ? FT_Color(blue: 0, green: 0, red: 0, alpha: 255) : palette[Int(colour)]
            try layers.append(
                Layer(
                    coverage: coverage(layerGlyph, smooth: true), colour: RGB(entry.red, entry.green, entry.blue),
                    alpha: Int(entry.alpha)))
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

    private func coverage(_ index: FT_UInt, smooth: Bool) throws -> Coverage {
        let flags = Load.noHinting | Load.noBitmap | (smooth ? 0 : Load.monochromeTarget)
        try Self.check(FT_Load_Glyph(face, index, flags), path)
        guard let slot = face.pointee.glyph else { return Coverage() }
        try Self.check(FT_Render_Glyph(slot, smooth ? FT_RENDER_MODE_NORMAL : FT_RENDER_MODE_MONO), path)
        let bitmap = slot.pointee.bitmap
        let (width, height) = (Int(bitmap.width), Int(bitmap.rows))
        guard width > 0, height > 0, let bytes = bitmap.buffer else { return Coverage() }
        var values: [UInt8] = []
        values.reserveCapacity(width * height)
        for y in 0..<height {
            let row = bytes + y * Int(bitmap.pitch)
            for x in 0..<width {
                values.append(smooth ? row[x] : (row[x / 8] >> (7 - UInt8(x % 8)) & 1) * 255)
            }
        }
        return Coverage(
            left: Int(slot.pointee.bitmap_left), top: -Int(slot.pointee.bitmap_top), width: width, height: height,
            values: values)
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
