import Foundation
import Pixels

/// Draws one vendor's items into the data set's frame.
struct VendorArtist {
    /// The size that outlines and SVG are drawn at before they are reduced.
    private static let drawingSize = 256

    private let draw: (EmojiItem) throws -> RGBImage?

    /// - Throws: ``EmojiError`` where the vendor's package is missing or no such artwork.
    init(_ vendor: Vendor, locations: PackageLocations) throws {
        let paths = try locations.paths(of: vendor)
        switch vendor {
        case .emojione, .openmoji:
            draw = { item in
                let path = "\(paths[0])/\(item.hex).svg"
                guard FileManager.default.fileExists(atPath: path) else { return nil }
                return try GlyphFrame.smooth(SVGRenderer.render(file: path, size: Self.drawingSize))
            }
        case .noto:
            let font = try GlyphFont(paths[0])
            draw = { try font.strikeImage($0.codePoint).flatMap(GlyphFrame.smooth) }
        case .twemoji:
            let font = try GlyphFont(paths[0])
            draw = {
                try font.layeredImage($0.codePoint, pixelsPerEm: Self.drawingSize).flatMap(GlyphFrame.smooth)
            }
        case .symbola, .notomono:
            let font = try GlyphFont(paths[0])
            draw = {
                try font.outlineImage($0.codePoint, pixelsPerEm: Self.drawingSize, smooth: true)
                    .flatMap(GlyphFrame.smooth)
            }
        case .unifont:
            let fonts = try paths.map(GlyphFont.init)
            draw = { item in
                for font in fonts {
                    if let image = try font.outlineImage(item.codePoint, pixelsPerEm: 16, smooth: false) {
                        return GlyphFrame.pixelated(image)
                    }
                }
                return nil
            }
        }
    }

    /// The item in the vendor's style, 64×64 on white; nil where the vendor has not drawn it.
    func image(of item: EmojiItem) throws -> RGBImage? { try draw(item) }
}
