import CZlib
import Foundations

/// A file of MNIST's format (idx), plain or gzipped: bytes in an array of one or three dimensions.
struct IDXFile {
    /// Sizes of the dimensions.
    let shape: [Int]
    let bytes: [UInt8]

    /// More images or labels than any file of the format holds: EMNIST has 814,255.
    private static let mostItems = 1 << 20
    private static let part = 1 << 20

    /// - Throws: `UserError` for a file that cannot be read, is cut off, or holds something else than labels or images of
    ///   28×28.
    init(_ path: String) throws {
        guard let file = FilePath.withSystemPath(path, { gzopen($0, "rb") }) else {
            throw UserError("\(path): no such file, or it cannot be read; fetch it again")
        }
        defer { gzclose(file) }
        /// The next bytes. Memory is taken as they come: a header alone asks for nothing.
        func read(_ count: Int) throws -> [UInt8] {
            var bytes: [UInt8] = []
            while bytes.count < count {
                let part = try [UInt8](unsafeUninitializedCapacity: min(count - bytes.count, Self.part)) {
                    buffer, read in
                    let got = gzread(file, buffer.baseAddress, UInt32(buffer.count))
                    guard got > 0 else { throw UserError("\(path): cut off, or no whole gzip file; fetch it again") }
                    read = Int(got)
                }
                bytes += part
            }
            return bytes
        }
        let head = try read(4)
        // Two zeros, the type (8: unsigned bytes), the number of dimensions.
        guard head[0] == 0, head[1] == 0, head[2] == 8, [1, 3].contains(head[3]) else {
            throw UserError("\(path): no idx file of labels or images, the format of MNIST; fetch it again")
        }
        shape = try (0..<Int(head[3])).map { _ in try read(4).reduce(0) { $0 << 8 | Int($1) } }
        guard shape[0] <= Self.mostItems, shape.count == 1 || shape[1...] == [28, 28] else {
            throw UserError("\(path): dimensions \(shape) are not those of MNIST's format; fetch it again")
        }
        bytes = try read(shape.reduce(1, *))
    }
}
