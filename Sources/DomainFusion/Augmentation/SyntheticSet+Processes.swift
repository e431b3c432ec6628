import Foundations
import Pixels
import Torch

extension SyntheticSet {
    /// An image of a set that is being made, with its place in it.
    struct Member {
        let number: Int
        let record: Record
        let image: RGBImage
    }

    /// The set of which each process has some members: whole, in all of them.
    /// - Parameters:
    ///   - count: how many images the set has.
    ///   - side: that of its images, in pixels.
    /// - Throws: `TorchError` where a process is lost.
    init(round: Int, _ own: [Member], count: Int, side: Int, over group: ProcessGroup) throws {
        struct Line: Codable {
            let number: Int
            let record: Record
        }
        let lines = try group.gathered(own.map { Line(number: $0.number, record: $0.record) }).joined()
        let size = 3 * side * side
        let pixels = Tensor.zeros([count, size], dtype: .uint8)
        pixels.withUnsafeMutableBytes { bytes in
            for member in own {
                UnsafeMutableRawBufferPointer(rebasing: bytes[(member.number * size)...])
                    .copyBytes(from: member.image.pixels)
            }
        }
        try withTorchErrors { group.sum(pixels) }
        let images = pixels.withUnsafeMutableBytes { bytes in
            (0..<count).map {
                RGBImage(width: side, height: side, pixels: Array(bytes[$0 * size..<($0 + 1) * size]))
            }
        }
        self.init(round: round, records: lines.sorted { $0.number < $1.number }.map(\.record), images: images)
    }

    /// The set that the first process has, in all of them; nil where it has none.
    /// - Throws: `TorchError` where a process is lost.
    static func ofFirst(_ own: SyntheticSet?, side: Int, in group: ProcessGroup) throws -> SyntheticSet? {
        let (round, count) = try group.ofFirst { [own?.round ?? 0, own?.count ?? 0] }.pair
        guard count > 0 else { return nil }
        let members = (group.isFirst ? own : nil).map { set in
            set.records.indices.map { Member(number: $0, record: set.records[$0], image: set.images[$0]) }
        }
        return try SyntheticSet(round: round, members ?? [], count: count, side: side, over: group)
    }
}

extension [Int] {
    fileprivate var pair: (Int, Int) { (self[0], self[1]) }
}
