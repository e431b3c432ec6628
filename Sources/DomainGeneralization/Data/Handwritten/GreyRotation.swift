import Foundation

/// Turns a grey image about its middle as Pillow's `Image.rotate(angle, BILINEAR)` does, to the bit; what comes from
/// outside is black.
/// - Parameters:
///   - pixels: `side`² values, row by row.
///   - degrees: counter-clockwise.
func rotated(_ pixels: [UInt8], side: Int, degrees: Int) -> [UInt8] {
    guard degrees % 360 != 0 else { return pixels }
    // Pillow rounds the matrix to 15 digits.
    func rounded(_ value: Double) -> Double { Double(String(format: "%.15f", value)) ?? value }
    let angle = -Double(degrees) * .pi / 180
    let (a, b, d, e) = (rounded(cos(angle)), rounded(sin(angle)), rounded(-sin(angle)), rounded(cos(angle)))
    let center = Double(side) / 2
    let c = a * -center + b * -center + center
    let f = d * -center + e * -center + center
    var result = [UInt8](repeating: 0, count: side * side)
    let bound = Double(side)
    func column(_ x: Int) -> Int { min(max(x, 0), side - 1) }
    for row in 0..<side {
        for place in 0..<side {
            let (x, y) = (Double(place) + 0.5, Double(row) + 0.5)
            let (sourceX, sourceY) = (a * x + b * y + c, d * x + e * y + f)
            guard sourceX >= 0, sourceX < bound, sourceY >= 0, sourceY < bound else { continue }
            let (fromX, fromY) = (sourceX - 0.5, sourceY - 0.5)
            let (left, top) = (Int(fromX.rounded(.down)), Int(fromY.rounded(.down)))
            let (dx, dy) = (fromX - Double(left), fromY - Double(top))
            func blend(_ line: Int) -> Double {
                let first = Double(pixels[line * side + column(left)])
                return first + (Double(pixels[line * side + column(left + 1)]) - first) * dx
            }
            let upper = blend(column(top))
            let lower = top + 1 >= 0 && top + 1 < side ? blend(top + 1) : upper
            result[row * side + place] = UInt8(upper + (lower - upper) * dy)
        }
    }
    return result
}
