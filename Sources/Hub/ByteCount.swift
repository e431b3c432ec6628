import Foundation

/// A number of bytes in words: "3.44 GB", "167 MB", "12 kB".
public struct ByteCount: CustomStringConvertible, Sendable {
    /// The number, of bytes of 8 bits.
    public let bytes: Int

    /// The words for a number of bytes.
    public init(_ bytes: Int) { self.bytes = bytes }

    /// The number with a decimal unit and three digits: `3.44 GB`.
    public var description: String {
        for (unit, size) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] where Double(bytes) >= size {
            let number = Double(bytes) / size
            return String(format: number < 10 ? "%.2f" : number < 100 ? "%.1f" : "%.0f", number) + " \(unit)"
        }
        return "\(bytes) bytes"
    }
}
