import Foundation

/// A grid of images with labels for its rows and columns and a caption under every image.
///
/// Small images are enlarged by a whole number, each pixel to a square, so that what is seen is what the network sees.
public struct ContactSheet: Sendable {
    /// One place of the grid.
    public struct Cell: Sendable {
        /// The image, or nil to leave the place empty.
        public var image: RGBImage?
        /// A line below the image; empty for none.
        public var caption: String

        /// A cell with an image and a line below it.
        public init(_ image: RGBImage?, caption: String = "") {
            self.image = image
            self.caption = caption
        }
    }

    /// The line at the top; empty for none.
    public var title: String
    /// The cells row by row; rows may differ in length.
    public var rows: [[Cell]]
    /// Labels at the left of the rows; missing ones are empty.
    public var rowLabels: [String]
    /// Labels above the columns; missing ones are empty.
    public var columnLabels: [String]
    /// The size in pixels to which small images are enlarged at least halfway.
    public var cellSize: Int

    /// A sheet of these cells.
    public init(
        title: String = "", rows: [[Cell]], rowLabels: [String] = [], columnLabels: [String] = [], cellSize: Int = 128
    ) {
        self.title = title
        self.rows = rows
        self.rowLabels = rowLabels
        self.columnLabels = columnLabels
        self.cellSize = cellSize
    }

    /// Draws the sheet.
    ///
    /// - Throws: ``ImageError/tooLarge(_:width:height:limit:)`` for more pixels than an image may have.
    public func image() throws -> RGBImage {
        let layout = Layout(self)
        var drawing = SVGDrawing(width: layout.width, height: layout.height)
        drawing.write(
            SVGDrawing.fitted(title, width: Double(layout.width - 2 * Layout.edge), size: 18, isBold: true),
            x: Double(Layout.edge), y: 32, size: 18, isBold: true, colour: "#222222")
        for (column, label) in columnLabels.prefix(layout.columns).enumerated() {
            let text = SVGDrawing.fitted(label, width: Double(layout.cellWidth + Layout.gap), size: 13, isBold: true)
            let x = Double(layout.x(column)) + Double(layout.cellWidth) / 2
            drawing.write(text, x: x, y: Double(layout.top - 8), size: 13, anchor: .middle, isBold: true)
        }
        for (row, cells) in rows.enumerated() {
            let y = layout.y(row)
            if row < rowLabels.count {
                let text = SVGDrawing.fitted(rowLabels[row], width: Layout.longestLabel, size: 13, isBold: true)
                let middle = Double(y) + Double(layout.cellHeight) / 2 + 5
                drawing.write(text, x: Double(layout.left - 10), y: middle, size: 13, anchor: .end, isBold: true)
            }
            for (column, cell) in cells.enumerated() {
                let text = SVGDrawing.fitted(cell.caption, width: Double(layout.cellWidth + Layout.gap - 4), size: 11)
                let x = Double(layout.x(column)) + Double(layout.cellWidth) / 2
                drawing.write(
                    text, x: x, y: Double(y + layout.cellHeight + 14), size: 11, anchor: .middle, colour: "#555555")
            }
        }
        var sheet = try SVGRenderer.render(svg: drawing.text, width: layout.width, height: layout.height)
        for (row, cells) in rows.enumerated() {
            for (column, cell) in cells.enumerated() {
                guard let image = cell.image?.enlarged(layout.factor) else { continue }
                sheet.paste(
                    image, x: layout.x(column) + (layout.cellWidth - image.width) / 2,
                    y: layout.y(row) + (layout.cellHeight - image.height) / 2)
            }
        }
        return sheet
    }

    /// Draws the sheet and writes it as a PNG file.
    ///
    /// - Throws: ``ImageError`` if it is too large or cannot be written.
    public func write(to path: String) throws {
        try PNG.write(image(), to: path)
    }

    /// Where things are, in pixels.
    private struct Layout {
        static let edge = 16
        static let gap = 10
        static let longestLabel = 180.0

        let factor: Int
        let columns: Int
        let cellWidth: Int
        let cellHeight: Int
        let left: Int
        let top: Int
        let rowHeight: Int
        let width: Int
        let height: Int

        init(_ sheet: ContactSheet) {
            let images = sheet.rows.joined().compactMap(\.image)
            let largest = images.map { max($0.width, $0.height) }.max() ?? sheet.cellSize
            let factor = max(1, Int((Double(sheet.cellSize) / Double(largest)).rounded()))
            self.factor = factor
            columns = sheet.rows.map(\.count).max() ?? 0
            cellWidth = images.map { $0.width * factor }.max() ?? sheet.cellSize
            cellHeight = images.map { $0.height * factor }.max() ?? sheet.cellSize
            let labels = sheet.rowLabels.map { SVGDrawing.width($0, size: 13, isBold: true) }.max() ?? 0
            left = Self.edge + (labels > 0 ? Int(min(labels, Self.longestLabel)) + 10 : 0)
            let hasLabels = sheet.columnLabels.contains { !$0.isEmpty }
            top = Self.edge + (sheet.title.isEmpty ? 0 : 32) + (hasLabels ? 22 : 0)
            let hasCaptions = sheet.rows.joined().contains { !$0.caption.isEmpty }
            rowHeight = cellHeight + (hasCaptions ? 20 : 0) + Self.gap
            let grid = left + columns * (cellWidth + Self.gap) - (columns > 0 ? Self.gap : 0)
            width = grid + Self.edge
            height = top + sheet.rows.count * rowHeight - (sheet.rows.isEmpty ? 0 : Self.gap) + Self.edge
        }

        func x(_ column: Int) -> Int { left + column * (cellWidth + Self.gap) }
        func y(_ row: Int) -> Int { top + row * rowHeight }
    }
}
