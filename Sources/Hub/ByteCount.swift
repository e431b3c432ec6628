import Foundation

/// A number of bytes in words: "3.44 GB", "167 MB", "12 kB".
public struct ByteCount: CustomStringConvertible, Sendable {
    public let bytes: Int

    public init(_ bytes: Int) { self.bytes = bytes }

    public var description: String {
        for (unit, size) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] where Double(bytes) >= size {
            let number = Double(bytes) / size
            return String(format: number < 10 ? "%.2f" : number < 100 ? "%.1f" : "%.0f", number) + " \(unit)"
        }
        return "\(bytes) bytes"
    }
}
