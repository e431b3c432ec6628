import CZlib
import Foundation

/// A file of MNIST's format (idx), plain or gzipped: bytes in an array of one or three dimensions.
struct IDXFile {
    /// Sizes of the dimensions.
    let shape: [Int]
    let bytes: [UInt8]

    /// - Throws: ``UserError`` for a file that cannot be read, is cut off, or holds something else.
    init(_ path: String) throws {
        guard let file = gzopen(path, "rb") else {
            throw UserError("\(path): no such file, or it cannot be read; fetch it again")
        }
        defer { gzclose(file) }
        func read(_ count: Int) throws -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            var done = 0
            while done < count {
                let got = bytes.withUnsafeMutableBytes { buffer in
                    gzread(file, buffer.baseAddress.map { $0 + done }, UInt32(min(count - done, 1 << 24)))
                }
                guard got > 0 else { throw UserError("\(path): cut off, or no whole gzip file; fetch it again") }
                done += Int(got)
            }
            return bytes
        }
        let head = try read(4)
        // Two zeros, the type (8: unsigned bytes), the number of dimensions.
        guard head[0] == 0, head[1] == 0, head[2] == 8, [1, 3].contains(head[3]) else {
            throw UserError("\(path): no idx file of labels or images, the format of MNIST; fetch it again")
        }
        shape = try (0..<Int(head[3])).map { _ in try read(4).reduce(0) { $0 << 8 | Int($1) } }
        let count = shape.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
        guard shape.allSatisfy({ $0 <= 1 << 24 }), count <= 1 << 30 else {
            throw UserError("\(path): dimensions \(shape) are more than a file of MNIST's format holds; fetch it again")
        }
        bytes = try read(count)
    }
}
