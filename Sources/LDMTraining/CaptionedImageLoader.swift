import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import Torch

/// Draws and prepares batches of captioned images. What a batch holds is a pure function of the seed and its number.
public final class CaptionedImageLoader {
    /// How an image becomes a square.
    public enum Crop: String, Sendable, Codable, CaseIterable {
        /// The middle of the longer side, always the same.
        case center
        /// A place that is drawn for every batch.
        case random
    }

    /// How images are prepared.
    public struct Options: Sendable, Codable, Equatable {
        /// Side of the images in pixels.
        public var resolution = 512
        /// Which square of an image is taken.
        public var crop = Crop.center
        /// Whether half of the images are swapped left and right.
        public var flips = false
        /// The seed of orders, crops and flips.
        public var seed: UInt64 = 0

        /// Squares of 512 pixels from the middle, not mirrored.
        public init() {}
    }

    private let images: CaptionedImages
    private let options: Options
    private let threads: Int
    /// Images with the shorter side at the resolution, those that fit into memory.
    private let kept: [RGBImage?]
    private var order: (epoch: Int, entries: [Int]) = (-1, [])

    /// Decodes every image once, so that a file that cannot be read is found before anything is trained.
    /// - Parameters:
    ///   - threads: images that are decoded at a time.
    ///   - budget: bytes of images that are kept in memory; the others are decoded whenever they are drawn.
    /// - Throws: `ImageError`, one line naming the file.
    public init(
        _ images: CaptionedImages, options: Options, threads: Int, budget: Int = 1 << 30,
        progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) throws {
        self.images = images
        self.options = options
        self.threads = max(1, threads)
        let entries = images.entries
        let resolution = options.resolution
        // Every image is about a square of the resolution.
        let mostKept = budget / (resolution * resolution * 4)
        kept = try parallelMap(entries.count, threads: self.threads) { index in
            let image = try Self.prepared(entries[index].path, resolution)
            progress(index + 1, entries.count)
            return index < mostKept ? image : nil
        }
    }

    /// The image with its shorter side at the resolution, as torchvision's `Resize`.
    private static func prepared(_ path: String, _ resolution: Int) throws -> RGBImage {
        let image = try ImageFile.decode(path)
        let shorter = min(image.width, image.height)
        guard shorter != resolution else { return image }
        let width = max(resolution, image.width * resolution / shorter)
        let height = max(resolution, image.height * resolution / shorter)
        // A long strip grows to more than its file holds.
        guard width * height <= ImageFile.pixelLimit else {
            throw UserError(
                "\(path): \(image.width)×\(image.height) pixels are too long a strip to be trained on; crop the image")
        }
        return image.resized(width: width, height: height)
    }

    /// Images and captions of a batch: all entries in a drawn order, then all in another.
    /// - Throws: `ImageError` for a file that can no longer be read.
    public func batch(_ number: Int, size: Int) throws -> CaptionedBatch {
        let numbers = (0..<size).map { number * size + $0 }
        let chosen = numbers.map(entry)
        let (entries, kept, options) = (images.entries, kept, options)
        let squares = try parallelMap(size, threads: threads) { place in
            let image = try kept[chosen[place]] ?? Self.prepared(entries[chosen[place]].path, options.resolution)
            var generator = SeededGenerator(seed: options.seed, domain: 1, step: numbers[place])
            return Self.square(image, options, &generator)
        }
        return CaptionedBatch(
            images: .concatenated(squares.map { $0.tensor() }), captions: chosen.map { entries[$0].caption })
    }

    private static func square(
        _ image: RGBImage, _ options: Options, _ generator: inout SeededGenerator
    ) -> RGBImage {
        let side = options.resolution
        let (right, down) = (image.width - side, image.height - side)
        // Drawn in either case, so that the flips are the same.
        let (x, y) = (generator.below(right + 1), generator.below(down + 1))
        var result =
            options.crop == .random
            ? image.cropped(x: x, y: y, width: side, height: side)
            : image.cropped(x: right / 2, y: down / 2, width: side, height: side)
        if options.flips, generator.uniform() < 0.5 { result.flipHorizontally() }
        return result
    }

    /// The entry that is drawn as the image of this number.
    private func entry(_ number: Int) -> Int {
        let epoch = number / images.entries.count
        if order.epoch != epoch {
            var generator = SeededGenerator(seed: options.seed, domain: 0, step: epoch)
            order = (epoch, images.entries.indices.shuffled(using: &generator))
        }
        return order.entries[number % images.entries.count]
    }
}
