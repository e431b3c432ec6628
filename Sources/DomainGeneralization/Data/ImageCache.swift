import Foundation
import Foundations
import Pixels
import Torch

/// The decoded images of a data set, kept in memory up to a budget; the others are decoded whenever they are asked for.
public final class ImageCache: Sendable {
    /// An image that cannot be read.
    public struct Failure: Sendable {
        /// The image that failed, an index into ``ImageFolder/items``.
        public let item: Int
        /// One line that names the file.
        public let reason: String
    }

    private let kept: [String: RGBImage]
    /// What could not be read, by item.
    public let failures: [Failure]
    /// SHA-256 of the contents of the files that were decoded, in order: another one means that an image has changed.
    public let contents: String
    /// SHA-256 of the contents of each file that was decoded; empty for one that cannot be opened.
    let sums: [String]
    /// Whether only a sample of the images was decoded (``ImageFolder/sample(_:)``), and ``contents`` is theirs.
    public let isSampled: Bool
    /// What was left out of images that were read, by item: one line for each animation.
    public let notes: [String]

    /// Decodes every image once, so that a file that cannot be read is found before anything is trained; or a sample of them,
    /// where all would take long.
    /// - Parameters:
    ///   - sample: the items that are decoded, in ascending order; nil for all.
    ///   - threads: how many files are decoded at a time.
    ///   - budget: bytes of decoded images that are kept.
    ///   - progress: called after each image with the numbers of images done and of all, from several threads.
    public init(
        _ dataset: ImageFolder, sample: [Int]? = nil, threads: Int, budget: Int = 1 << 30,
        progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) throws {
        let chosen = sample ?? Array(dataset.items.indices)
        let ledger = Ledger(budget: budget, count: chosen.count, progress: progress)
        let results = try parallelMap(chosen.count, threads: max(1, threads)) {
            index -> (image: Result<RGBImage?, any Error>, note: String?, sum: String) in
            let path = dataset.items[chosen[index]].path
            var note: String?
            let image = Result {
                let image = try ImageFile.decode(path) { note = $0 }
                return ledger.add(image.pixels.count) ? image : nil
            }
            return (image, note, SHA256Sum.sizeAndSum(file: path)?.sha256 ?? "")
        }
        var kept: [String: RGBImage] = [:]
        var failures: [Failure] = []
        var notes: [String] = []
        var contents = SHA256Sum()
        for (index, result) in zip(chosen, results) {
            contents.update(result.sum)
            if let note = result.note { notes.append(note) }
            switch result.image {
            case .success(let image): kept[dataset.items[index].path] = image
            case .failure(let error): failures.append(Failure(item: index, reason: "\(error)"))
            }
        }
        self.kept = kept
        self.failures = failures
        self.contents = contents.hexadecimal
        self.notes = notes
        sums = results.map(\.sum)
        isSampled = sample != nil
    }

    private init(_ first: ImageCache, _ second: ImageCache) {
        kept = first.kept.merging(second.kept) { $1 }
        failures = first.failures
        contents = SHA256Sum.of(first.contents + second.contents)
        notes = first.notes + second.notes
        sums = first.sums + second.sums
        isSampled = first.isSampled
    }

    /// These images and those of another cache, which has no failures.
    public func joined(with other: ImageCache) -> ImageCache { ImageCache(self, other) }

    /// The decoded image of an item.
    /// - Throws: a one-line error for a file that can no longer be read.
    public func image(_ item: ImageFolder.Item) throws -> RGBImage {
        try kept[item.path] ?? ImageFile.decode(item.path)
    }

    /// Counts the bytes that are kept.
    private final class Ledger: @unchecked Sendable {  // variables are guarded by the lock
        private let lock = NSLock()
        private var left: Int
        private var done = 0
        private let count: Int
        private let progress: @Sendable (Int, Int) -> Void

        init(budget: Int, count: Int, progress: @escaping @Sendable (Int, Int) -> Void) {
            left = budget
            self.count = count
            self.progress = progress
        }

        /// Whether an image of this size may be kept.
        func add(_ bytes: Int) -> Bool {
            let (done, fits) = lock.withLock {
                self.done += 1
                let fits = bytes <= left
                if fits { left -= bytes }
                return (self.done, fits)
            }
            progress(done, count)
            return fits
        }
    }
}

extension ImagePipeline {
    /// Images, each put through the pipeline: float32 [N, 3, size, size].
    /// - Parameters:
    ///   - size: the side that the pipeline's transforms give.
    ///   - generator: the random numbers of the image at a place in the batch.
    public func tensor(_ images: [RGBImage], size: Int, generator: (Int) -> SeededGenerator) -> Tensor {
        let result = Tensor.empty([images.count, 3, size, size])
        let stride = 3 * size * size
        result.withUnsafeMutableBytes { bytes in
            let floats = bytes.bindMemory(to: Float.self)
            for (place, image) in images.enumerated() {
                var generator = generator(place)
                write(
                    image, into: UnsafeMutableBufferPointer(rebasing: floats[place * stride..<(place + 1) * stride]),
                    using: &generator)
            }
        }
        return result
    }
}
